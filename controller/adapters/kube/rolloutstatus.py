"""What is written to a ModelRollout's status, and what is read back from it. Pure.

**Invariant**: a status is written whatever the record holds: texts are cut, the log and then the checks go
when the object would get too large, and only the record itself is never shortened.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.kube import decisionlog
from controller.adapters.kube.conditions import Findings, conditions, findings_of, findings_without_record
from controller.adapters.kube.decisionlog import check_shape, counted, percent_of
from controller.adapters.kube.identity import attempt_of, key_of
from controller.adapters.kube.modelrollout import RequestSpec
from controller.adapters.kube.outboxstatus import posted
from controller.adapters.kube.requestlog import (
    followed,
    observed_generation,
    requests_in,
    status_in,
    with_request,
)
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.statusshape import (
    LONGEST_MESSAGE,
    LONGEST_WORD,
    MOST_CHECKS,
    CheckShape,
    ModelRolloutStatus,
    RequestShape,
)
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.store.codec import SCHEMA_VERSION, decode_rollout, encode_rollout
from controller.control.views import next_at
from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import given, sentence
from controller.errors import StoreUnavailable

LARGEST_OBJECT_BYTES = 512 * 1024
"""Of the whole object as JSON. etcd takes 1.5 MiB."""


@dataclass(frozen=True, slots=True)
class Written:
    """A status, and the entries that its log no longer holds."""

    status: Obj
    fallen: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rollout stands among the objects and leaders: see `ModelRolloutStatus`."""

    epoch: int
    ordinal: int
    attempt: int


def status_of(obj: Obj, rollout: Rollout, entry: Entry, place: Place) -> Written:
    """The object's next status: the rollout with one more entry.

    ``obj`` is the object as it was read. Raises `InvariantError` when a text in the record is not valid
    Unicode.
    """
    record = encode_rollout(rollout).decode()
    before = status_in(obj)
    anew = place.attempt != number(before.get("attempt"))
    requests = requests_in(obj)
    if entry.command is not None:
        requests = with_request(requests, followed(entry, entry.command))
    generation = observed_generation(obj, requests)
    log = decisionlog.appended([] if anew else before.get("log"), entry)
    status = ModelRolloutStatus(
        phase=rollout.phase.value,
        reason=rollout.reason.value,
        message=rollout.message[:LONGEST_MESSAGE],
        verdict=rollout.evidence.verdict.value,
        step=_step(rollout),
        steps=len(rollout.policy.steps),
        progress=f"{_step(rollout)}/{len(rollout.policy.steps)}",
        weight_percent=percent_of(rollout.share_permille),
        mirror_percent=percent_of(rollout.mirror_permille),
        weight=given(rollout.share_permille, rollout.mirror_permille)[:LONGEST_WORD],
        stable=rollout.stable.version[:64] if rollout.stable else None,
        policy=rollout.policy.digest[:12],
        next_at=_next_at(rollout, entry.at),
        checks=_checks(rollout),
        observed_generation=generation,
        attempt=place.attempt,
        ordinal=place.ordinal,
        epoch=place.epoch,
        schema_version=SCHEMA_VERSION,
        model=rollout.model[:LONGEST_WORD],
        record=record,
    )
    body = _dumped(status, findings_of(rollout), obj, entry.at, anew=anew)
    body |= {"log": log.lines, "requests": requests, **posted(before, rollout, entry, anew=anew)}
    fallen = [*(sequence(before.get("log")) if anew else ()), *log.fallen]
    return _bounded(obj, body, fallen)


def marked(
    obj: Obj,
    *,
    phase: Phase,
    reason: Reason,
    message: str,
    policy_valid: bool | None,
    epoch: int,
    at: datetime,
) -> Obj:
    """The status of an object that no rollout was begun for, and why. Without a record."""
    requests = requests_in(obj)
    status = ModelRolloutStatus(
        phase=phase.value,
        reason=reason.value,
        message=message[:LONGEST_MESSAGE],
        observed_generation=observed_generation(obj, requests),
        epoch=epoch,
    )
    findings = findings_without_record(phase, reason, message, policy_valid=policy_valid)
    return _dumped(status, findings, obj, at, anew=True) | ({"requests": requests} if requests else {})


def refused(obj: Obj, request: RequestSpec, message: str, at: datetime) -> Obj:
    """The object's status with one more request, which was not followed. Nothing else changes."""
    answer = RequestShape(
        id=request.id,
        action=request.action,
        by=request.actor,
        at=at,
        outcome="Refused",
        message=message[:LONGEST_MESSAGE],
    )
    requests = with_request(requests_in(obj), answer)
    before = {"phase": Phase.PENDING.value, "reason": Reason.CREATED.value, "message": "", **status_in(obj)}
    return {**_observed(before, observed_generation(obj, requests)), "requests": requests}


def observed(obj: Obj) -> Obj | None:
    """The object's status saying that its newest generation was seen; None where there is no need.

    There is none while a request waits for its answer, and before there is any status.
    """
    status, generation = status_in(obj), observed_generation(obj, requests_in(obj))
    known = number(status.get("observedGeneration"))
    return _observed(status, generation) if status and generation > known else None


def same_but_for_times(one: Obj, other: Obj) -> bool:
    """Whether writing the one over the other would tell nobody anything new, but who leads since when."""
    return _timeless(one) == _timeless(other)


def rollouts_from(obj: Obj) -> Rollout | None:
    """The rollout that the object records; None if none was begun.

    Raises `StoreUnavailable` when the record is torn, is another object's, or was written by a newer Serinus.
    """
    record = status_in(obj).get("record")
    if record is None:
        return None
    key = key_of(obj)
    try:
        rollout = decode_rollout(text(record).encode(errors="surrogatepass"))
    except StoreUnavailable as error:
        raise StoreUnavailable(f"ModelRollout {key}: {error}") from error
    if attempt_of(rollout.id)[0] != key.name or rollout.policy.namespace != key.namespace:
        raise StoreUnavailable(
            f"ModelRollout {key} holds the record of another, {rollout.id}: "
            "remove its status, or its finalizer and then the object"
        )
    return rollout


def entries_from(obj: Obj) -> list[Entry]:
    """The entries of the object's log that can be read, in order."""
    found = (decisionlog.decoded(line) for line in sequence(status_in(obj).get("log")))
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.seq)


def _dumped(status: ModelRolloutStatus, findings: Findings, obj: Obj, at: datetime, *, anew: bool) -> Obj:
    before = status_in(obj).get("conditions")
    said = conditions(findings, before, at=at, generation=status.observed_generation, anew=anew)
    whole = status.model_copy(update={"conditions": said})
    return whole.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"log", "requests", "outbox", "memos"}
    )


def _bounded(obj: Obj, status: Obj, fallen: list[Obj]) -> Written:
    shorten: tuple[Callable[[], None], ...] = (
        lambda: fallen.extend(_drop_log(status)),
        lambda: status.pop("checks", None),
    )
    for drop in shorten:
        if len(json.dumps({**obj, "status": status})) <= LARGEST_OBJECT_BYTES:
            break
        drop()
    entries = (decisionlog.decoded(line) for line in fallen)
    return Written(status, tuple(entry for entry in entries if entry is not None))


def _drop_log(status: Obj) -> list[Obj]:
    log = decisionlog.emptied(status["log"])
    status["log"] = log.lines
    return log.fallen


def _checks(rollout: Rollout) -> list[CheckShape]:
    checks = {check.name: check for check in rollout.policy.checks}
    return [
        check_shape(result, sentence(checks[result.name], result) if result.name in checks else "")
        for result in rollout.evidence.checks[:MOST_CHECKS]
    ]


def _next_at(rollout: Rollout, now: datetime) -> datetime | None:
    try:
        return next_at(rollout, now)
    except (IndexError, OverflowError):  # a record that makes no sense is written all the same
        return None


def _step(rollout: Rollout) -> int:
    return 0 if rollout.step is None else counted(rollout.step + 1)


def _observed(status: Obj, generation: int) -> Obj:
    known = [mapping(each) for each in sequence(status.get("conditions"))]
    said = [{**each, "observedGeneration": generation} for each in known]
    return {**status, "conditions": said, "observedGeneration": generation}


def _timeless(status: Obj) -> Obj:
    def without_time(each: object) -> Obj:
        return {key: value for key, value in mapping(each).items() if key != "lastTransitionTime"}

    conditions = [without_time(each) for each in sequence(status.get("conditions"))]
    return {**status, "conditions": conditions, "epoch": None}
