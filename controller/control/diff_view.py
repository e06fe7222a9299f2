"""What differs between two rollouts: version, policy, outcome, and what the checks measured. Pure.

Values are written as people read them, those of a policy as its file has them.
"""

from collections.abc import Mapping

from controller.control.check_views import View, amount
from controller.control.policy_words import listed, policy_words
from controller.control.record_view import RecordView
from controller.control.views import Document
from controller.domain.vocabulary import Phase
from controller.domain.wording import duration, given

_POLICY_UNKNOWN = "the policy of {} is not known, so policies are not compared"
_POLICY_UNSHOWN = "the policy files differ (policy.digest) in what is not compared here"


class Difference(View):
    """One field. ``before`` or ``after`` is None where it is not set."""

    field: str
    before: str | None
    after: str | None


class SideView(View):
    """Which rollout is compared."""

    model: str
    rollout: str
    version: str
    phase: Phase
    namespace: str | None = None


class DiffView(Document):
    """The differences by subject, in the order of `same`, which names the fields that do not differ.

    ``notes`` say what could not be compared, a line each.
    """

    before: SideView
    after: SideView
    version: tuple[Difference, ...]
    policy: tuple[Difference, ...]
    outcome: tuple[Difference, ...]
    checks: tuple[Difference, ...]
    same: tuple[str, ...]
    notes: tuple[str, ...]


def diff_view(before: RecordView, after: RecordView) -> DiffView:
    """What ``after`` has otherwise than ``before``."""
    unknown = [each.status.rollout for each in (before, after) if each.policy is None]
    policies = [{} if unknown else _policy(each) for each in (before, after)]
    pairs = {
        "version": (_version(before), _version(after)),
        "policy": (policies[0], policies[1]),
        "outcome": (_outcome(before), _outcome(after)),
        "checks": (_checks(before), _checks(after)),
    }
    found = {subject: _differences(*pair) for subject, pair in pairs.items()}
    notes = [_POLICY_UNKNOWN.format(each) for each in unknown]
    if [each.field for each in found["policy"]] == ["digest"]:
        notes.append(_POLICY_UNSHOWN)
    return DiffView(
        before=_side(before),
        after=_side(after),
        version=found["version"],
        policy=found["policy"],
        outcome=found["outcome"],
        checks=found["checks"],
        same=tuple(
            f"{subject}.{field}"
            for subject, (one, other) in pairs.items()
            for field, value in one.items()
            if other.get(field) == value
        ),
        notes=tuple(notes),
    )


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """In the order of ``after``, and what it lacks where ``before`` has it."""
    fields = list(after)
    for place, field in enumerate(before):
        if field not in after:
            fields.insert(place, field)
    return tuple(
        Difference(field=field, before=before.get(field), after=after.get(field))
        for field in fields
        if before.get(field) != after.get(field)
    )


def _side(record: RecordView) -> SideView:
    status = record.status
    return SideView(
        model=status.model,
        rollout=status.rollout,
        version=status.canary,
        phase=status.phase,
        namespace=status.namespace,
    )


def _version(record: RecordView) -> Mapping[str, str]:
    """What ran, beside what."""
    release, stable = record.release, record.status.stable
    found = {"version": record.status.canary}
    if stable is not None:
        found["stable"] = stable
    if release is None:
        return found
    told = {
        "endpoints": listed(release.endpoints) if release.endpoints else None,
        "backend": release.backend,
        "image": release.image,
        "container": release.container,
        "storage_uri": release.storage_uri,
        "args": None if release.args is None else listed(release.args),
    }
    found |= {name: value for name, value in told.items() if value is not None}
    for variable in release.env:
        name, _, value = variable.partition("=")
        found[f"env.{name}"] = value
    return found


def _policy(record: RecordView) -> Mapping[str, str]:
    assert record.policy is not None, "asked only where both are known"
    return {**policy_words(record.policy), "digest": record.policy.digest}


def _outcome(record: RecordView) -> Mapping[str, str]:
    """How it ended, or how it stands."""
    status = record.status
    found = {
        "phase": status.phase.value,
        "reason": status.reason.value,
        "message": status.message,
        "verdict": status.verdict.value,
        "weight": given(round(status.weight * 10), round(status.mirror * 10)),
        "step": f"{status.step}/{status.steps}",
        "took": duration(status.updated_at - status.created_at),
        "by": status.created_by,
    }
    if status.retry_of is not None:
        found["retry_of"] = status.retry_of
    return found


def _checks(record: RecordView) -> Mapping[str, str]:
    """What was measured last."""
    return {
        f"{check.name}.{field}": text
        for check in record.status.checks
        for field, text in (
            ("value", amount(check.value, check.unit)),
            ("stable", amount(check.stable_value, check.unit)),
            ("limit", amount(check.limit, check.unit)),
            ("verdict", check.verdict.value),
            ("requests", f"{check.requests:,}"),
        )
    }
