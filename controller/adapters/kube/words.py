"""A person's word to a rollout as a change of its object, and the daemon's answer to it. Pure.

**Invariant**: a word is written only over the spec that was read, so that of two people who speak at once
neither is lost without being told; and an abort that was not answered yet is not replaced by another word.
"""

from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.modelrollout import actor_text
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.control.interface import LONGEST_NOTE
from controller.domain.model import CommandKind


@dataclass(frozen=True, slots=True)
class Word:
    """What is asked: ``request_id`` makes it one word however often it is read; ``note`` says why.

    ``asking`` is the number of the asking that it answers, None for whatever is asked.
    """

    request_id: str
    kind: CommandKind
    actor: str
    note: str = ""
    asking: int | None = None

    @property
    def request(self) -> Obj:
        """As the spec holds it."""
        said: Obj = {"id": self.request_id, "action": self.kind.value, "by": actor_text(self.actor)}
        if self.note:
            said["note"] = _printable(self.note)[:LONGEST_NOTE]
        if self.asking is not None:
            said["asking"] = self.asking
        return said


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon made of a word."""

    followed: bool
    message: str


def operations(obj: Obj, word: Word) -> list[dict[str, Any]]:
    """The JSON Patch that says it, if nobody changed the spec meanwhile. The status may change."""
    generation = number(mapping(obj.get("metadata")).get("generation"))
    return [
        {"op": "test", "path": "/metadata/generation", "value": generation},
        {"op": "add", "path": "/spec/request", "value": word.request},
    ]


def answer_to(obj: Obj, request_id: str) -> Answer | None:
    """The daemon's answer; None while there is none."""
    for each in sequence(mapping(obj.get("status")).get("requests")):
        answered = mapping(each)
        if text(answered.get("id")) == request_id:
            return Answer(text(answered.get("outcome")) == "Followed", text(answered.get("message")))
    return None


def unanswered(obj: Obj) -> Obj | None:
    """The word in the spec, while the daemon has not answered it."""
    request = mapping(mapping(obj.get("spec")).get("request"))
    request_id = text(request.get("id"))
    return request if request_id and answer_to(obj, request_id) is None else None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
