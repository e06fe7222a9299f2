"""Shadow steps, which copy requests to the canary: where they are measured, and where they are left out."""

from collections.abc import Sequence

from pydantic import ValidationInfo

from controller.domain.exposure import mirrors
from controller.domain.policy import Policy, RouteRef
from controller.domain.wording import given, listed
from controller.policy.catalogue import Catalogue
from controller.policy.fields import Found, catalogue_of, complaint
from controller.policy.steps import AutoSteps, StepSection


def unmeasured_shadow(
    steps: Sequence[StepSection] | AutoSteps,
    route: RouteRef | None,
    pack: str | None,
    info: ValidationInfo,
) -> Sequence[Found]:
    """The first shadow step, where requests are copied and the metrics pack does not see the copies.

    ``route`` and ``pack`` are None where they have faults of their own.
    """
    known = catalogue_of(info)
    measures = known.packs.get(pack or "")
    if measures is None or not measures.unmirrored or route is None or not known.routes[route.kind].mirror:
        return []
    listed_steps = () if isinstance(steps, AutoSteps) else steps
    sentence = f"the metrics pack {pack} does not see copied requests: {measures.unmirrored}"
    suggestion = "measure by an engine's pack, or leave the shadow step out"
    shadows = (index for index, step in enumerate(listed_steps) if step.shadow is not None)
    return [((index, "shadow"), complaint(sentence, suggestion)) for index in shadows][:1]


def shadow_notes(policy: Policy, known: Catalogue) -> tuple[str, ...]:
    """What whoever writes shadow steps should know; nothing where the policy has none."""
    shadows = [given(0, share) for share in mirrors(policy)]
    if not shadows:
        return ()
    named, kind = f"{policy.model}: {listed(shadows)}", policy.route.kind
    if not known.routes[kind].mirror:
        are = "is" if len(shadows) == 1 else "are"
        return (f"{named} {are} left out, with a warning: a route of the kind {kind} cannot copy requests",)
    return (f"{named}: a copied request runs twice, with all that it does: it must be one that may",)
