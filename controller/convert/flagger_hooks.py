"""Flagger's webhooks: those that confirm become gates, which are asked in the same places."""

from dataclasses import replace

from controller.convert.draft import Draft, each_entry
from controller.convert.notes import Notes
from controller.convert.place import Place
from controller.convert.units import kebab
from controller.policy.names import LONGEST_NAME
from controller.policy.quantities import shown
from controller.policy.writing import Value

_MOST_GATES = 10
_BEFORE = {"confirm-rollout": "start", "confirm-promotion": "promotion"}
_AT_STEPS = "confirm-traffic-increase"
_LOST = {
    "rollout": (
        "no program is called at every check",
        "measure what it tests, or make a gate of it; Serinus makes no traffic of its own",
    ),
    "pre-rollout": (
        "no program tests the canary before it has traffic",
        "have golden requests (validation), or a gate on the first step",
    ),
    "post-rollout": ("no program is called at the end", "have a destination of kind webhook in notify"),
    "event": ("no program is told in a policy", "have a destination of kind webhook in notify"),
    "rollback": ("no program can order a rollback", "it may run serinus abort MODEL"),
}


class Hooks:
    """Adds the gates of a list of webhooks to a draft. Their addresses go nowhere, not into a note either."""

    def __init__(self, draft: Draft, notes: Notes) -> None:
        self._draft = draft
        self._notes = notes
        self._gates: dict[str, list[str]] = {}
        self._known: dict[str, tuple[str, str]] = {}

    def add(self, webhooks: Place) -> None:
        """All of them, in their order."""
        for hook in each_entry(webhooks, self._notes):
            kind = hook.at("type").text() or "rollout"
            if kind in _BEFORE or kind == _AT_STEPS:
                self._gate(hook, kind)
            else:
                unknown = f"a webhook of type {shown(kind)} is not known", "see docs/how-to/gates.md"
                self._notes.lost(hook, *_LOST.get(kind, unknown))
        gates: list[Value] = [
            {"name": name, "before": before} if before else {"name": name}
            for name, before in self._gates.items()
        ]
        if gates:
            self._draft.sections["gates"] = gates

    def _gate(self, hook: Place, kind: str) -> None:
        if kind == _AT_STEPS and any(step.gate for step in self._draft.steps):
            self._notes.lost(hook, "a step asks one gate", "have the first gate ask both")
            return
        name = self._name(hook)
        if name not in self._gates and len(self._gates) == _MOST_GATES:
            self._notes.lost(hook, f"a policy has {_MOST_GATES} gates at most", "have one gate ask several")
            return
        before = self._gates.setdefault(name, [])
        if kind == _AT_STEPS:
            self._draft.steps = [replace(step, gate=name) for step in self._draft.steps]
        elif _BEFORE[kind] not in before:
            before.append(_BEFORE[kind])
        message = f"it is asked as the gate {name}, which answers with a decision, not with a status"
        place = "gates", list(self._gates).index(name)
        self._notes.changed(hook, message, f"write [gates.{name}] into the daemon's settings", place)

    def _name(self, hook: Place) -> str:
        """The hook's own, with a number where another address has it."""
        source, url = kebab(hook.at("name").text()) or "gate", hook.at("url").text()
        name, count = source, 1
        while self._known.setdefault(name, (source, url)) != (source, url):
            count += 1
            name = f"{source[: LONGEST_NAME - 5].rstrip('-')}-{count}"
        return name
