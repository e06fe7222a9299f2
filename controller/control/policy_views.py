"""Which policies are in force, and what is wrong with their files, as people and programs see it. Pure.

**Invariant**: a file is called by its name alone: where the folder is on the machine is nobody's business.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol

from controller.control.check_views import View
from controller.control.policies import PolicyFiles
from controller.control.record_view import PolicyView, policy_view
from controller.control.views import Document
from controller.domain.policy import Policy
from controller.errors import PolicyError

_MOST_FAULTS = 1000


class PolicyShelf(PolicyFiles, Protocol):
    """The policies in force with the files that they came from."""

    def validity(self) -> Mapping[str, bool]:
        """Whether the file of each policy in force is valid as it is now, by model."""
        ...

    def origins(self) -> Mapping[str, str]:
        """The path of the file that each policy in force came from, by model."""
        ...


class PolicyStanding(View):
    """A policy in force. ``valid`` is False while its file, as it is now, would not bring it into force.

    ``namespace`` is None on one machine. ``digest`` is that of the file that it came from.
    """

    model: str
    namespace: str | None
    file: str
    digest: str
    valid: bool
    policy: PolicyView


class PolicyFaultView(View):
    """What is wrong with a file; lines and columns count from 1. ``model`` is None when it is not known."""

    file: str
    line: int
    column: int
    message: str
    model: str | None


class PolicyList(Document):
    """By model; the faults by file, at most 1,000 of them."""

    items: tuple[PolicyStanding, ...]
    faults: tuple[PolicyFaultView, ...]


def policy_list(
    shelf: PolicyShelf, place: Callable[[Policy], str], namespaces: frozenset[str], *, unowned: bool
) -> PolicyList:
    """The policies of the namespaces, and the faults of their files.

    Whose file has never been valid is not known; ``unowned`` says whether those faults are shown as well.
    """
    origins, current, valid = shelf.origins(), shelf.current(), shelf.validity()
    owners = {path: model for model, path in origins.items()}
    seen = {model for model, policy in current.items() if place(policy) in namespaces}
    standings = [_standing(current[model], place(current[model]), origins, valid) for model in sorted(seen)]
    faults = [
        _fault_view(fault, owners.get(path))
        for path, found in sorted(shelf.problems().items())
        if (owners[path] in seen if path in owners else unowned)
        for fault in found
    ]
    return PolicyList(items=tuple(standings), faults=tuple(faults[:_MOST_FAULTS]))


def standing(shelf: PolicyShelf, policy: Policy, namespace: str) -> PolicyStanding:
    """One policy in force."""
    return _standing(policy, namespace, shelf.origins(), shelf.validity())


def _standing(
    policy: Policy, namespace: str, origins: Mapping[str, str], valid: Mapping[str, bool]
) -> PolicyStanding:
    return PolicyStanding(
        model=policy.model,
        namespace=namespace or None,
        file=PurePath(origins.get(policy.model, "")).name,
        digest=policy.digest,
        valid=valid.get(policy.model, False),
        policy=policy_view(policy),
    )


def faults_of(shelf: PolicyShelf, model: str) -> Sequence[PolicyFaultView]:
    """What is wrong with the file of a model's policy in force."""
    path = shelf.origins().get(model, "")
    return [_fault_view(fault, model) for fault in shelf.problems().get(path, ())]


def _fault_view(fault: PolicyError, model: str | None) -> PolicyFaultView:
    return PolicyFaultView(
        file=PurePath(fault.path).name,
        line=fault.line,
        column=fault.column,
        message=fault.message,
        model=model,
    )
