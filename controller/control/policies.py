"""Which policy rules a model, and what to tell people whose model has none."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.control.errors import Refused, Unavailable
from controller.control.reading import model_of
from controller.domain.policy import Policy
from controller.errors import PolicyError
from controller.policy.quantities import shown
from controller.ports import Policies


class PolicyFiles(Policies, Protocol):
    """The policies in force, and why a file is not among them."""

    def problems(self) -> Mapping[str, Sequence[PolicyError]]:
        """What is wrong now, by the path of a file or of the folder."""
        ...


def policy_for(files: PolicyFiles, model: str) -> Policy:
    """The model's policy. Raises `Refused` with what is wrong in the policies folder."""
    policy = files.current().get(model)
    if policy is not None:
        return policy
    problems = files.problems()
    faults = [str(fault) for each in problems.values() for fault in each]
    if not faults:
        raise Refused(
            f"no policy file is for the model {shown(model)}: put one into the daemon's policies folder",
            "serinus explain",
        )
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    raise Refused(
        f"no valid policy file is for the model {shown(model)}; not valid: {faults[0]}{more}",
        f"serinus lint {next(iter(problems))}",
    )


def policy_meant(files: PolicyFiles, target: str, fault: Exception) -> Policy:
    """The policy of the model that is meant, when the store, which failed with ``fault``, cannot say.

    Raises `Unavailable` when no policy is for it.
    """
    policies = files.current()
    policy = policies.get(target) or policies.get(model_of(target) or "")
    if policy is None:
        why = str(fault) or "it is too slow"
        raise Unavailable(f"the store does not answer, and no policy names {shown(target)}'s gateway: {why}")
    return policy
