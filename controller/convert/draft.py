"""A policy in the making: what both kinds of source fill, and how it becomes a text."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.convert.manifests import Manifest
from controller.convert.notes import Note, Notes, refusal
from controller.convert.place import Place
from controller.convert.units import LONGEST, kebab
from controller.policy.names import LONGEST_NAME, is_label, is_model
from controller.policy.quantities import show_duration, show_weight, shown
from controller.policy.tree import ListNode, Location
from controller.policy.writing import Value, policy_text

PACK = "envoy-gateway"
"""The metrics pack of gateways in a cluster."""
AUDIENCE = "audience: {testers: [{header: NAME, value: VALUE}]}, and a step testers"
"""Where a policy says what Flagger and Argo Rollouts match headers for."""
_MOST_STEPS = 50
_BAKE = timedelta(minutes=10)
_DEADLINE = timedelta(hours=24)
_STEP = timedelta(minutes=5)
"""Defaults of a policy."""
_COMMENT_COLUMNS = 100
_CHECK_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ORDER = (
    "model", "namespace", "route", "metrics", "ready_deadline", "steps", "checks", "interval", "deadline",
    "approval", "gates", "workload", "notify",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A weight in thousandths, or a shadow's share; ``hold`` is None where the source gives no time."""

    permille: int
    hold: timedelta | None = None
    approval: bool = False
    gate: str = ""
    shadow: bool = False

    def value(self) -> Value:
        """As a policy has it."""
        if self.hold is None and not self.approval and not self.gate and not self.shadow:
            return show_weight(self.permille)
        said: dict[str, Value] = {"shadow" if self.shadow else "weight": show_weight(self.permille)}
        if self.hold is not None:
            said["for"] = show_duration(self.hold)
        if self.approval:
            said["approval"] = True
        if self.gate:
            said["gate"] = self.gate
        return said


@dataclass(slots=True)
class Draft:
    """What is known of the policy so far. ``sections`` are its fields but for steps and checks."""

    manifest: Manifest
    sections: dict[str, Value]
    steps: list[DraftStep] = field(default_factory=list)
    checks: dict[str, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.sections["model"])

    @property
    def namespace(self) -> str:
        """The namespace of the route."""
        return str(self.sections["namespace"])


def begin(manifest: Manifest, namespace: str | None, notes: Notes) -> Draft:
    """A draft with its names. ``namespace`` is for an object without one. Raises `Refused`."""
    name = manifest.place.at("metadata", "name")
    if not is_model(manifest.name):
        advice = f"write its name first: at most {LONGEST_NAME} lower-case letters, digits, dots and -"
        what = f"{shown(manifest.name)} cannot be a model's name" if manifest.name else "it has no name"
        raise refusal(name, what, advice)
    where = manifest.namespace or namespace
    if not where:
        where = "default"
        notes.assumed(name, "it names no namespace: default", "give it with --namespace NAME", ("namespace",))
    if not is_label(where):
        raise refusal(
            manifest.place.at("metadata", "namespace"),
            f"{shown(where)} cannot be a namespace",
            "write lower-case letters, digits and -",
        )
    return Draft(manifest, {"model": manifest.name, "namespace": where})


def check_name(source: str, taken: Iterable[str]) -> str:
    """A name for a query of the source's own: its words, and nothing that a metrics pack measures."""
    name = kebab(source).replace("-", "_")
    if not _CHECK_NAME.fullmatch(name) or name == "errors" or name.startswith("latency_p"):
        name = f"own_{name}".rstrip("_")[: LONGEST_NAME - 4]
    known, tried, count = set(taken), name, 1
    while tried in known:
        count += 1
        tried = f"{name[: LONGEST_NAME - 4]}_{count}"
    return tried


def finish(draft: Draft, notes: Notes) -> None:
    """What is lacking for a policy that is whole. Raises `Refused`."""
    steps = draft.manifest.place.at("spec")
    if len(draft.steps) > _MOST_STEPS:
        shadows = [step for step in draft.steps if step.shadow]
        weights = draft.steps[len(shadows) :]
        each = -(-len(weights) // (_MOST_STEPS - len(shadows)))
        message = f"{len(weights)} weights are more than {_MOST_STEPS}: every {each} are one"
        notes.changed(steps, message, at=("steps",))
        draft.steps = [*shadows, *_thinned(weights, each)]
    if not any("report_only" not in check for check in draft.checks.values()):
        draft.checks["errors"] = {"worse_by": "0.5pp"}
        notes.assumed(
            steps,
            "no check that decides was carried over: errors may be 0.5pp above stable's",
            "write the limits that you want",
            ("checks", "errors"),
        )
    needed = sum((step.hold or _STEP for step in draft.steps), _BAKE)
    if needed > LONGEST:
        raise refusal(steps, "the steps take longer than a year", "shorten the pauses")
    if needed > _DEADLINE:
        longest = min(2 * needed, LONGEST)
        draft.sections["deadline"] = show_duration(longest)
        notes.assumed(steps, "the deadline is twice the time of all steps", at=("deadline",))


def _thinned(steps: Sequence[DraftStep], each: int) -> Iterable[DraftStep]:
    for start in range(0, len(steps), each):
        group = steps[start : start + each]
        holds = [step.hold for step in group if step.hold is not None]
        approval = any(step.approval for step in group)
        gate = next((step.gate for step in group if step.gate), "")
        hold = sum(holds, timedelta()) if holds else None
        yield replace(group[-1], hold=hold, approval=approval, gate=gate)


def written(draft: Draft, told: Sequence[Note]) -> str:
    """The policy's text, with a comment where a note has a place in it."""
    values = {
        **draft.sections,
        "steps": [step.value() for step in draft.steps],
        "checks": draft.checks,
    }
    ordered = {key: values[key] for key in _ORDER if key in values}
    comments: dict[Location, list[str]] = {}
    for note in told:
        if note.at is not None:
            lines = comments.setdefault(note.at, [])
            lines += [line for line in _wrapped(f"{note.kind}: {note.message}") if line not in lines]
    return policy_text(ordered, [f"From the {draft.manifest.called}, by serinus convert."], comments)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _COMMENT_COLUMNS)


def each_unknown(place: Place, known: Iterable[str], notes: Notes) -> None:
    """A note for every key that this converter has never heard of."""
    for key in place.names():
        if key not in known and place.at(key).given:
            notes.lost(
                place.at(key), "serinus convert does not know it", "serinus explain prints what a policy has"
            )


def each_entry(place: Place, notes: Notes) -> list[Place]:
    """The entries of a list; a note where something else stands."""
    if place.given and not isinstance(place.node, ListNode):
        notes.lost(place, f"{place.quoted} is not a list", "write it as a list, and convert again")
    return place.items()


def each_listed(place: Place, table: Mapping[str, tuple[str, str]], notes: Notes) -> None:
    """A note for every key of the table that says anything."""
    for key in place.names():
        if key in table and place.at(key).given:
            notes.lost(place.at(key), *table[key])
