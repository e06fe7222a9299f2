"""Rounds of probes: when they are sent, how they are counted, and that they delay nobody."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from controller.adapters.probing.asking import Probed, ProbeGateway
from controller.adapters.probing.prober import MOST_WAITING, Prober, round_of
from controller.domain.judge.counts import Tally
from controller.domain.model import Rollout
from controller.domain.probed import ProbeMark
from controller.domain.probes import ProbeRules
from tests.fakes import a_policy, a_release, a_rollout

RULES = ProbeRules("/v1/chat/completions", "m", "x-serinus-version", every=timedelta(0), requests=3)
GATEWAYS = {"default": ProbeGateway("http://gateway.test")}


def probed(rules: ProbeRules = RULES) -> Rollout:
    return replace(a_rollout(a_policy(probe=rules)), stable=a_release("v1"))


class Answers:
    """``answers`` in turn, the last one again and again; held back while ``open`` is not set."""

    def __init__(self, *answers: Probed) -> None:
        self.answers = list(answers)
        self.asked = self.at_once = self.most_at_once = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, gateway: ProbeGateway, rules: ProbeRules) -> Probed:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        self.at_once -= 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_round_counts_each_answer_for_the_version_that_gave_it() -> None:
    answers = Answers(Probed("v1"), Probed("v2", "an error inside the stream"), Probed("v9", "status 503"))
    prober, rollout = Prober(GATEWAYS, answers), probed()
    assert prober.rounds(rollout) == ()
    await settled()
    (one,) = prober.rounds(rollout)
    assert (one.canary, one.stable) == (Tally(1, 1), Tally(1, 0))
    assert one.faults == (
        "1 probes of canary v2: an error inside the stream",
        "1 probes whose answer names neither version: status 503",
    )
    await prober.close()


async def test_a_round_is_given_until_the_record_holds_it() -> None:
    prober, rollout = (
        Prober(GATEWAYS, Answers(Probed("v2"))),
        probed(replace(RULES, every=timedelta(hours=1))),
    )
    prober.rounds(rollout)
    await settled()
    (one,) = prober.rounds(rollout)
    assert prober.rounds(rollout) == (one,)
    rollout = replace(rollout, evidence=replace(rollout.evidence, probed=one.mark))
    assert prober.rounds(rollout) == ()


async def test_the_next_round_waits_for_its_time_and_for_the_one_before() -> None:
    answers = Answers(Probed("v2"))
    prober, rollout = Prober(GATEWAYS, answers), probed(replace(RULES, every=timedelta(hours=1)))
    for _ in range(3):
        prober.rounds(rollout)
        await settled()
    assert answers.asked == RULES.requests
    held, slow = Answers(Probed("v2")), probed()
    held.open.clear()
    prober = Prober(GATEWAYS, held)
    for _ in range(3):
        assert prober.rounds(slow) == ()  # at once, though nothing answers
        await settled()
    assert held.asked == RULES.requests
    await prober.close()


async def test_no_more_is_sent_while_nobody_counts() -> None:
    answers = Answers(Probed("v2"))
    prober, rollout = Prober(GATEWAYS, answers), probed()
    for _ in range(20):
        prober.rounds(rollout)
        await settled()
    assert answers.asked == MOST_WAITING * RULES.requests


async def test_a_few_are_sent_at_once_however_many_are_wanted() -> None:
    answers = Answers(Probed("v2"))
    answers.open.clear()
    prober = Prober(GATEWAYS, answers)
    many = [replace(probed(replace(RULES, requests=50)), id=f"m-{number}") for number in range(10)]
    for rollout in many:
        prober.rounds(rollout)
    await settled()
    assert answers.most_at_once == 16
    answers.open.set()
    for _ in range(40):
        await settled()
    assert answers.asked == 500
    await prober.close()


async def test_a_gateway_that_the_settings_lack_is_told_and_counts_for_nobody() -> None:
    prober, rollout = Prober({}, Answers(Probed("v2"))), probed(replace(RULES, gateway="public"))
    prober.rounds(rollout)
    await settled()
    (one,) = prober.rounds(rollout)
    assert not one.canary.requests + one.stable.requests
    assert "probe_gateways.public" in one.faults[0]


async def test_a_defect_ends_a_round_and_not_the_prober() -> None:
    async def broken(gateway: ProbeGateway, rules: ProbeRules) -> Probed:
        raise KeyError(rules.path)

    prober, rollout = Prober(GATEWAYS, broken), probed()
    for _ in range(2):
        prober.rounds(rollout)
        await settled()
    assert all("a defect of the probe" in one.faults[0] for one in prober.rounds(rollout))
    await prober.close()


async def test_a_policy_without_probes_sends_none() -> None:
    answers = Answers(Probed("v2"))
    assert Prober(GATEWAYS, answers).rounds(a_rollout()) == ()
    await settled()
    assert not answers.asked


def test_in_a_first_deployment_there_is_no_stable() -> None:
    one = round_of(
        ProbeMark("r", 1), a_rollout(), [Probed("v2"), Probed("v1"), Probed("", "x", refused=True)]
    )
    assert (one.canary, one.stable) == (Tally(1), Tally())
    assert len(one.faults) == 2
