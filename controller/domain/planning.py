"""What a pass must look at before it can decide. Pure."""

from dataclasses import replace

from controller.domain.judge import judge_of
from controller.domain.mirroring import skips
from controller.domain.model import Rollout
from controller.domain.observation import Measure, Plan
from controller.domain.observing import exposed
from controller.domain.recognition import unrecognised
from controller.domain.rules.turns import serves_alone
from controller.domain.sampling import open_trials
from controller.domain.vocabulary import FLEET_LACKS, Phase


def plan(rollout: Rollout) -> Plan:
    """What the next pass must look at."""
    asking = rollout.asking
    waits = asking is not None and not rollout.phase.waits_for_person
    gates = asking.shut if asking is not None and waits else ()
    trials = open_trials(rollout)
    return replace(looks(rollout), gates=gates, trials=trials, fleet=_minds_fleet(rollout))


def _minds_fleet(rollout: Rollout) -> bool:
    """Whether the next decision may depend on other models, or on the hour."""
    if rollout.policy.fleet.group:
        return rollout.phase not in (Phase.FROZEN, Phase.HALTED, Phase.ROLLING_BACK)
    return rollout.phase in (Phase.PENDING, Phase.VALIDATING, Phase.PROGRESSING)


def looks(rollout: Rollout) -> Plan:
    """What is looked at in its phase, whatever is asked of others."""
    given = rollout.route.intended.canary is not None
    alone = serves_alone(rollout)
    measure = Measure(rollout.evidence.cursor) if given else None
    match rollout.phase:
        case Phase.PENDING:
            return Plan(survey=True)
        case Phase.PREPARING:
            warm_up = rollout.policy.warm_up_requests > 0
            unknown = unrecognised(rollout)
            calibrate = judge_of(rollout.policy).remembers and rollout.stable is not None and not unknown
            return Plan(
                survey=True,
                supply_permille=rollout.supply_permille,
                canary=True,
                warm_up=warm_up,
                calibrate=calibrate and rollout.calibration is None,
                recognise=unknown,
            )
        case Phase.VALIDATING:
            asking, validate = rollout.asking, rollout.policy.validation is not None
            if (asking is not None and not asking.granted) or rollout.reason in FLEET_LACKS:
                return Plan()  # the golden requests are sent anew after the approval, and after a freeze
            return Plan(canary=True, validate=validate)
        case Phase.PROGRESSING | Phase.PROMOTING | Phase.BAKING | Phase.PAUSED:
            supplied = rollout.phase in (Phase.PROGRESSING, Phase.PROMOTING)
            supply = rollout.supply_permille if supplied else None
            probe = given and not rollout.mirror_permille and rollout.policy.probe is not None
            probe = probe and rollout.phase in (Phase.PROGRESSING, Phase.BAKING)
            canary = given or skips(rollout)
            route = exposed(rollout)
            watched = Plan(route=route, canary=canary, stable=alone, measure=measure, probe=probe)
            return replace(watched, supply_permille=supply)
        case Phase.HALTED:
            return Plan(route=True, stable=True)
        case Phase.FROZEN | Phase.ROLLING_BACK:
            return Plan(route=True)
        case _:
            return Plan()
