"""ModelRollouts as people see them: newest first, also those that no daemon has taken up yet. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from controller.adapters.kube.identity import Key, current_rollout_id, key_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.rolloutstatus import rollouts_from
from controller.adapters.kube.untrusted import mapping, number, text
from controller.control.errors import InvalidRequest, NotFound
from controller.control.explanations import EXPLANATIONS
from controller.control.record_view import RecordView, policy_view
from controller.control.release_views import release_view
from controller.control.views import StatusView, status_view
from controller.control.why import WhyView, why_view
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import duration
from controller.errors import StoreUnavailable
from controller.policy.quantities import shown

WordT = TypeVar("WordT", Phase, Reason, Verdict)

_TAKEN_UP_WITHIN = timedelta(seconds=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_DOCTOR = "see whether a daemon runs and may act: serinus doctor"


@dataclass(frozen=True)
class Held:
    """An object as it was read."""

    obj: Obj

    @cached_property
    def key(self) -> Key:
        """Where it is and what it is called."""
        return key_of(self.obj)

    @cached_property
    def model(self) -> str:
        """The model that it is a version of."""
        return self._said("model") or text(self._spec.get("model"))

    @cached_property
    def phase(self) -> Phase:
        """Where it stands."""
        return _word(self._said("phase"), Phase.PENDING)

    @cached_property
    def rollout_id(self) -> str:
        """The id of its newest attempt."""
        return current_rollout_id(self.obj)

    @cached_property
    def created_at(self) -> datetime:
        """When the object was made."""
        return _instant(mapping(self.obj.get("metadata")).get("creationTimestamp"))

    @property
    def rollout(self) -> Rollout | None:
        """What its record holds; None before a daemon took it up, and for a record that cannot be read."""
        return self._read[0]

    @cached_property
    def taken_up(self) -> bool:
        """Whether a daemon has said anything about it."""
        return bool(self._said("phase"))

    @cached_property
    def _read(self) -> tuple[Rollout | None, str]:
        """The record, or why it cannot be read."""
        try:
            return rollouts_from(self.obj), ""
        except StoreUnavailable as error:
            return None, str(error)

    @cached_property
    def _status(self) -> Obj:
        return mapping(self.obj.get("status"))

    @cached_property
    def _spec(self) -> Obj:
        return mapping(self.obj.get("spec"))

    @property
    def age_order(self) -> tuple[bool, int, datetime, str]:
        """The older the smaller: what was not accepted yet is newer than what was."""
        ordinal = number(self._status.get("ordinal"))
        return ordinal == 0, ordinal, self.created_at, self.key.name

    def _said(self, name: str) -> str:
        return text(self._status.get(name))

    def record(self, now: datetime) -> RecordView:
        """As it stands, why, and by which policy what is released."""
        status, why, rollout = self.status(now), self.why(now), self.rollout
        if rollout is None:
            return RecordView(status=status, why=why, policy=None)
        policy, release = policy_view(rollout.policy), release_view(rollout.release)
        return RecordView(status=status, why=why, policy=policy, release=release)

    def status(self, now: datetime) -> StatusView:
        """As it stands."""
        if self.rollout is not None:
            return status_view(self.rollout, now).model_copy(update={"namespace": self.key.namespace})
        percent = self._status.get("weightPercent")
        return StatusView(
            model=self.model,
            rollout=self.rollout_id,
            stable=self._said("stable") or None,
            canary=text(self._spec.get("version")),
            phase=self.phase,
            reason=_word(self._said("reason"), Reason.CREATED),
            message=self.message(now),
            verdict=_word(self._said("verdict"), Verdict.UNKNOWN),
            step=number(self._status.get("step")),
            steps=number(self._status.get("steps")),
            weight=float(percent) if isinstance(percent, int | float) else 0.0,
            checks=(),
            next_at=None,
            terminal=self.phase.terminal,
            waits_for_person=self.phase.waits_for_person,
            created_at=self.created_at,
            updated_at=self.created_at,
            created_by="",
            retry_of=None,
            policy=self._said("policy"),
            seq=0,
            namespace=self.key.namespace,
        )

    def why(self, now: datetime) -> WhyView:
        """The same, explained."""
        if self.rollout is not None:
            return why_view(self.rollout, now)
        status = self.status(now)
        explanation = EXPLANATIONS[status.reason]
        waits = self._waits_for_daemon(now)
        return WhyView(
            model=self.model,
            rollout=self.rollout_id,
            canary=status.canary,
            phase=status.phase,
            verdict=status.verdict,
            reason=status.reason,
            message=status.message,
            meaning=explanation.meaning,
            remedy=_DOCTOR if waits else explanation.remedy_for(self.model),
            checks=(),
            next_action="none: the rollout is over" if status.terminal else "waits for the daemon",
            next_at=None,
            deadline=None,
            deadline_action=None,
        )

    def message(self, now: datetime) -> str:
        """What there is to say of an object without a record that can be read."""
        if problem := self._read[1]:
            return problem
        if said := self._said("message"):
            return said
        if self._waits_for_daemon(now):
            waited = duration(timedelta(seconds=round((now - self.created_at).total_seconds())))
            return f"no daemon has taken it up for {waited}: is one running, and for this namespace?"
        return "waits for the daemon to take it up"

    def _waits_for_daemon(self, now: datetime) -> bool:
        """Whether that takes too long."""
        return not self.taken_up and now - self.created_at > _TAKEN_UP_WITHIN


def newest_first(held: Iterable[Held]) -> list[Held]:
    """In the order of acceptance, the last first."""
    return sorted(held, key=lambda each: each.age_order, reverse=True)


def current(held: Iterable[Held]) -> list[Held]:
    """Of each model in each namespace the newest, and the older ones that are not over; sorted by both."""
    models: dict[tuple[str, str], list[Held]] = {}
    for each in newest_first(held):
        models.setdefault((each.key.namespace, each.model), []).append(each)
    return [
        each
        for _, of_model in sorted(models.items())
        for place, each in enumerate(of_model)
        if place == 0 or not each.phase.terminal
    ]


def meant(held: Sequence[Held], target: str) -> list[Held]:
    """What a person means: a model's objects, newest first, or the one object of that name or id.

    ``target`` may begin with a namespace: ``ml/fraud``. Raises `NotFound`, and `InvalidRequest` when it means
    something in several namespaces.
    """
    namespace, _, name = target.rpartition("/")
    there = [each for each in held if namespace in ("", each.key.namespace)]
    found = [each for each in there if each.model == name] or [each for each in there if _is(each, name)]
    if not found:
        raise NotFound(f"no model or rollout is called {shown(target)}", "serinus get")
    namespaces = sorted({each.key.namespace for each in found})
    if len(namespaces) > 1:
        raise InvalidRequest(
            f"{shown(name)} is in the namespaces {', '.join(namespaces)}: name one of them",
            f"serinus status {namespaces[0]}/{name}",
        )
    return newest_first(found)


def _is(held: Held, name: str) -> bool:
    return name in (held.key.name, held.rollout_id)


def _word(said: str, otherwise: WordT) -> WordT:
    """A word of the daemon; a newer daemon has words that are not known here."""
    try:
        return type(otherwise)(said)
    except ValueError:
        return otherwise


def _instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(text(value))
    except ValueError:
        return _LONG_AGO
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
