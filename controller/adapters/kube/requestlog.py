"""The requests in a ModelRollout, and what was answered to them. Pure."""

from collections.abc import Iterable

from controller.adapters.kube.decisionlog import plain_request_id
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.statusshape import LONGEST_MESSAGE, MOST_REQUESTS, RequestShape
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.domain.judge.base import Assessment
from controller.domain.model import Command, Entry, Rollout


def status_in(obj: Obj) -> Obj:
    """The object's status; empty where it has none."""
    return mapping(obj.get("status"))


def requests_in(obj: Obj) -> list[Obj]:
    """The requests that were answered, oldest first."""
    return [each for each in sequence(status_in(obj).get("requests")) if isinstance(each, dict)]


def is_answered(obj: Obj, request_id: str) -> bool:
    """Whether a request was followed or refused before; its id without the object's name."""
    return any(each.get("id") == request_id for each in requests_in(obj))


def followed(entry: Entry, command: Command) -> RequestShape:
    """The answer to a person's word that led to an entry."""
    return RequestShape(
        id=plain_request_id(command.request_id),
        action=command.kind.value,
        by=command.actor[:128],
        at=entry.at,
        outcome="Followed",
        message=entry.message[:LONGEST_MESSAGE],
    )


def with_request(requests: list[Obj], answer: RequestShape) -> list[Obj]:
    """The requests with one more; the oldest go."""
    return [*requests, answer.model_dump(mode="json", by_alias=True)][-MOST_REQUESTS:]


def observed_generation(obj: Obj, requests: list[Obj]) -> int:
    """The generation that is dealt with: not the newest while its request waits for an answer."""
    asked = mapping(mapping(obj.get("spec")).get("request")).get("id")
    if asked is None or any(each.get("id") == asked for each in requests):
        return number(mapping(obj.get("metadata")).get("generation"))
    return number(status_in(obj).get("observedGeneration"))


def entry_of(answer: Obj, rollout: Rollout, log: Iterable[Entry]) -> Entry:
    """The log entry that a followed request led to; where it fell out of the log, what the answer says."""
    for entry in log:
        if entry.command is not None and entry.command.request_id == answer.get("id"):
            return entry
    return Entry(
        seq=rollout.seq,
        at=rollout.updated_at or rollout.created_at,
        actor=text(answer.get("by")),
        event="request_followed",
        phase_before=rollout.phase,
        phase=rollout.phase,
        reason=rollout.reason,
        message=text(answer.get("message")),
        step=rollout.step,
        weight_permille=rollout.share_permille,
        assessment=Assessment(rollout.evidence.verdict),
        mirror_permille=rollout.mirror_permille,
    )
