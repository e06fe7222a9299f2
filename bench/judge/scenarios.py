"""What is simulated, as data: peeks at a version that is as good as stable, and whole rollouts."""

from dataclasses import dataclass, field, replace

from bench.judge.arrivals import Lognormal, Tokens, Traffic
from bench.judge.lane import Scene
from bench.judge.peeking import WeightDrift
from bench.judge.policies import Limits
from bench.judge.versions import Outages, Surroundings, Version

LOOKS = 1000
PEEK_SECONDS = 15.0 * LOOKS
RUN_SECONDS = 7200.0

VLLM_BOUNDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""**Source**: vLLM's buckets of ``e2e_request_latency_seconds``, up to a minute."""


@dataclass(frozen=True, slots=True)
class PeekScenario:
    """A judge alone, looked at `LOOKS` times. ``goal`` is the share of false alarms that the issue allows."""

    name: str
    scene: Scene
    limits: Limits = field(default_factory=Limits)
    drift: WeightDrift = field(default_factory=WeightDrift)
    goal: str = "<= 1 %"


@dataclass(frozen=True, slots=True)
class RunScenario:
    """Rollouts by every rule on the same requests. ``goals`` are the issue's, for the judge of ours.

    ``rates`` are stable's and the canary's shares of errors where the oracle is asked how long it needs.
    """

    name: str
    scene: Scene
    limits: Limits = field(default_factory=Limits)
    goals: str = ""
    rates: tuple[float, float] | None = None


Scenario = PeekScenario | RunScenario

_DRIFT = Surroundings(swing=0.5)
_DIURNAL = Surroundings(swing=0.8, period_seconds=7200.0)
_LONG = Outages(0.3, 360, within=12_000)
_SHORT = Outages(0.8, 60, within=12_000)
_FLAPS = Outages(0.8, 20, within=12_000, count=20)
_SLOW_START = Version(cold=5.0, cold_seconds=20.0)
_WIDE = Limits(errors_max=0.2)


def _traffic(rate: float) -> Traffic:
    return Traffic(rate, swing=0.3)


def _alike(errors: float, rate: float, around: Surroundings) -> Scene:
    version = Version(errors)
    return Scene(_traffic(rate), version, version, around)


def _outage(outages: Outages, rate: float = 100) -> Scene:
    return Scene(Traffic(rate), surroundings=Surroundings(outages=outages))


def _clustered(errors: float, copies: int = 3) -> Scene:
    """Only several copies side by side can show that errors come together."""
    version = Version(errors, cluster=10)
    return Scene(Traffic(100), version, version, stable_copies=copies)


_JITTER = Surroundings(jitter=0.1)
_LLM_LIMITS = Limits(p99_max_seconds=60.0)

PEEKS = (
    PeekScenario("aa drift 10/s", _alike(0.001, 10, _DRIFT)),
    PeekScenario("aa drift 100/s", _alike(0.001, 100, _DRIFT)),
    PeekScenario("aa errors 0.1% diurnal", _alike(0.001, 100, _DIURNAL)),
    PeekScenario("aa errors 1% diurnal", _alike(0.01, 100, _DIURNAL)),
    PeekScenario("aa errors 5% diurnal", _alike(0.05, 100, _DIURNAL), _WIDE),
    PeekScenario("aa slow start", Scene(Traffic(100), canary=_SLOW_START)),
    PeekScenario("aa outage 6min 30%", _outage(_LONG)),
    PeekScenario("aa outage 1min 80%", _outage(_SHORT)),
    PeekScenario("aa flapping 20x20s 80%", _outage(_FLAPS)),
    PeekScenario(
        "aa jitter 10% 100/s", Scene(Traffic(100), surroundings=_JITTER, stable_copies=3), goal="<= 3 %"
    ),
    PeekScenario(
        "aa jitter 10% 1000/s", Scene(Traffic(1000), surroundings=_JITTER, stable_copies=3), goal="<= 3 %"
    ),
    PeekScenario("aa errors in tens", _clustered(0.001), goal=""),
    PeekScenario("aa errors in tens, more", _clustered(0.005), goal=""),
    PeekScenario("aa errors in tens, one copy", _clustered(0.001, copies=1), goal=""),
    PeekScenario("aa bursts", Scene(Traffic(100, burstiness=2.0)), goal=""),
    PeekScenario(
        "aa heavy tail", Scene(Traffic(100, shape=Lognormal(tail=0.02))), Limits(p99_max_seconds=2.0), goal=""
    ),
    PeekScenario(
        "aa llm tokens", Scene(Traffic(10, shape=Tokens()), bounds=VLLM_BOUNDS), _LLM_LIMITS, goal=""
    ),
)


def _run(name: str, canary: Version, rate: float = 100, goals: str = "") -> RunScenario:
    return RunScenario(name, Scene(Traffic(rate), canary=canary), goals=goals)


def _soon(outages: Outages) -> Scene:
    return _outage(replace(outages, within=300))


_DOUBTFUL = "seconds <= 330 / 400, undecided <= 2 %"
_FEW = Version(0.01)
_MANY = Version(0.05)

RUNS = (
    _run("good 100/s", Version(), goals=_DOUBTFUL),
    _run("good 10/s", Version(), 10, "seconds <= 700 / 1100, undecided <= 2 %"),
    _run("good 1/s", Version(), 1),
    replace(_run("errors 0.1->5% 100/s", _MANY, goals="bad <= 8 / 15, seconds <= 120"), rates=(0.001, 0.05)),
    replace(_run("errors 0.1->1% 100/s", _FEW, goals="bad <= 12 / 25"), rates=(0.001, 0.01)),
    _run("total failure 100/s", Version(1.0), goals="bad <= 45 / 65, seconds <= 45"),
    _run("errors 0.1->5% 10/s", _MANY, 10),
    _run("errors 0.1->1% 10/s", _FEW, 10),
    _run("total failure 10/s", Version(1.0), 10),
    _run("errors 0.1->5% 1/s", _MANY, 1, "bad <= 12 / 20, rolled back >= 98 %"),
    _run("total failure 1/s", Version(1.0), 1),
    _run("latency x1.5 100/s", Version(slower=1.5), goals="seconds <= 150"),
    _run("latency x1.2 100/s", Version(slower=1.2), goals="seconds <= 240"),
    _run("latency x1.5 10/s", Version(slower=1.5), 10),
    _run("leak of errors 100/s", Version(leak_errors=0.05)),
    _run("leak of latency 100/s", Version(leak_slower=2.0)),
    RunScenario("good, slow start", Scene(Traffic(100), canary=_SLOW_START)),
    RunScenario("good, outage 6min 30%", _soon(_LONG)),
    RunScenario("good, outage 1min 80%", _soon(_SHORT)),
    RunScenario("good, flapping 20x20s 80%", _soon(_FLAPS)),
    RunScenario("good, jitter 10%", Scene(Traffic(100), surroundings=_JITTER, stable_copies=3)),
    RunScenario("good, errors in tens", _clustered(0.005)),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (*PEEKS, *RUNS)}
