"""``docs/reference/policy-fields.md``, from the policy file's own sections: what ``serinus explain`` says."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterator, Mapping, Sequence

from pydantic.fields import FieldInfo

from controller.policy.check_sections import (
    ErrorsCheck,
    FillCheck,
    LatencyCheck,
    LevelCheck,
    MeanTimeCheck,
    ProbesCheck,
    QueryCheck,
    SharesCheck,
)
from controller.policy.explain import summary_of
from controller.policy.fields import Section
from controller.policy.findings import inline
from controller.policy.quality_sections import DriftCheck, EvaluationCheck, GoldenCheck
from controller.policy.route_sections import GroupRoute, ObjectRoute, PathRoute, RewriteRoute, ServiceRoute
from controller.policy.schema import PolicySection
from controller.policy.steps import AutoSteps, StepSection
from controller.policy.structure import keys, kind_of, sections_at
from docs.pages.tables import ORIGIN, table

_HEAD = f"""\
# Every field of a policy

{ORIGIN}
`serinus explain FIELD` says the same in a terminal. How to write a policy: [the policy file](policy-file.md);
whole ones: [examples](example-policies.md).

## The file
"""
_CHECKS: Mapping[type[Section], str] = {
    ErrorsCheck: "checks.errors",
    LatencyCheck: "checks.latency_pNN, checks.NAME_pNN",
    ProbesCheck: "checks.probes",
    SharesCheck: "checks.NAME: a share",
    LevelCheck: "checks.queue, checks.prompt_tokens, checks.output_tokens",
    FillCheck: "checks.kv_cache",
    MeanTimeCheck: "checks.mean_latency, checks.token_latency",
    QueryCheck: "checks.NAME: a query",
    GoldenCheck: "checks.NAME: golden requests",
    EvaluationCheck: "checks.NAME: an evaluation",
    DriftCheck: "checks.NAME_drift",
}
_FORMS: Mapping[type[Section], str] = {StepSection: "steps, each", AutoSteps: "steps: auto, or a mapping"}


def page() -> str:
    """The whole document."""
    lines = [_HEAD, *_fields(PolicySection)]
    for name in keys(PolicySection):
        for title, section in _below(name):
            lines += [f"\n## {title}\n", summary_of(section) + "\n", *_fields(section)]
    return "\n".join([*lines, ""])


def _below(name: str) -> Sequence[tuple[str, type[Section]]]:
    """The sections that a field of the file consists of, in each form in which it can be written."""
    if name == "route":
        return [
            ("route.envoy", PathRoute),
            ("route.httpRoute, route.grpcRoute", ObjectRoute),
            ("route.inferenceModelRewrite", RewriteRoute),
            ("route.inferenceService", ServiceRoute),
            ("route.llmInferenceService", GroupRoute),
        ]
    if name == "checks":
        return [(_CHECKS[section], section) for section in _CHECKS]
    found = sections_at(PolicySection, (name,))
    named = [(_FORMS.get(section, name), section) for section in found]
    return [*named, *(inner for title, section in named for inner in _within(title, name, section))]


def _within(title: str, name: str, section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    """The sections that fields of a section consist of."""
    for field in keys(section):
        for inner in sections_at(PolicySection, (name, field)):
            yield f"{title}.{field}", inner


def _fields(section: type[Section]) -> Iterator[str]:
    rows = (
        (f"`{name}`", kind_of(info), _default(info), _cell(_meaning(name, info)))
        for name, info in keys(section).items()
    )
    return table(("field", "type", "default", "meaning"), rows)


def _meaning(name: str, info: FieldInfo) -> str:
    examples = (f"`{name}: {inline(example)}`" for example in info.examples or [])
    return f"{info.description} {', '.join(examples)}".rstrip()


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if info.default_factory is not None or info.default in (None, []):
        return ""
    return f"`{inline(info.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
