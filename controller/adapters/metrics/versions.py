"""Which versions of a model there are, told by the labels of their metrics. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import unquote

from controller.adapters.metrics.answers import RawSeries
from controller.adapters.metrics.packs import Pack, Selector, Template
from controller.adapters.metrics.queries import selection
from controller.adapters.naming import backend_name

_MILLISECOND = timedelta(milliseconds=1)


def version_query(pack: Pack, model: str, span: timedelta) -> str | None:
    """How much each version answered in the span; None where labels do not tell versions' names."""
    label = _label(pack)
    if label is None:
        return None
    models = {name: frozenset({model}) for name, what in pack.versions.items() if what is Template.MODEL}
    answers = pack.answers[0]
    if pack.versions[label] is Template.BACKEND:
        where = {**answers.where, label: f"{backend_name(model, '')}.*"}
        answers = answers.model_copy(update={"where": where})
    chosen = selection([answers], [Selector(models)])
    return f"sum by ({label}) (increase({chosen}[{span // _MILLISECOND}ms])) > 0"


def versions_of(pack: Pack, model: str, rows: Iterable[RawSeries]) -> Sequence[str]:
    """The model's versions in the answer, the busiest first."""
    label = _label(pack)
    found: list[tuple[float, str]] = []
    for row in rows:
        value = row.labels.get(label or "", "")
        version = _version(value, model) if label and pack.versions[label] is Template.BACKEND else value
        if version and row.samples:
            found.append((-row.samples[0][1], version))
    return [version for _, version in sorted(found)]


def _label(pack: Pack) -> str | None:
    named = (Template.BACKEND, Template.VERSION)
    return next((label for label, what in pack.versions.items() if what in named), None)


def _version(backend: str, model: str) -> str:
    """The version in a backend's name; empty if the backend is another model's."""
    version = unquote(backend.partition("@")[2])
    return version if version and backend == backend_name(model, version) else ""
