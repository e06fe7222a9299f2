"""The signs of the live view, and what stands for them where a terminal's letters are ASCII."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType

from controller.domain.vocabulary import Phase, Verdict


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Every sign is one cell wide, a guide of the tree three; ``ellipsis`` may be longer."""

    good: str
    bad: str
    going: str
    waiting: str
    attention: str
    back: str
    coming: str
    unknown: str
    skipped: str
    stable: str
    canary: str
    full: str
    empty: str
    branch: str
    last: str
    line: str
    ellipsis: str


UNICODE = Glyphs(
    good="✔",
    bad="✖",
    going="▶",
    waiting="‖",
    attention="▲",
    back="◀",
    coming="○",
    unknown="?",
    skipped="–",  # noqa: RUF001 - a dash is meant
    stable="★",
    canary="◆",
    full="█",
    empty="░",
    branch="├─ ",
    last="└─ ",
    line="│  ",
    ellipsis="…",
)
ASCII = Glyphs(
    good="+",
    bad="x",
    going=">",
    waiting="=",
    attention="!",
    back="<",
    coming="o",
    unknown="?",
    skipped="-",
    stable="*",
    canary="@",
    full="#",
    empty=".",
    branch="|- ",
    last="`- ",
    line="|  ",
    ellipsis="...",
)

_PHASES: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.SUCCEEDED: "good",
        Phase.ROLLED_BACK: "bad",
        Phase.NOT_DEPLOYED: "bad",
        Phase.ABORTED: "bad",
        Phase.SUPERSEDED: "skipped",
        Phase.PAUSED: "waiting",
        Phase.FROZEN: "attention",
        Phase.HALTED: "attention",
        Phase.ROLLING_BACK: "back",
        Phase.PENDING: "coming",
    }
)
"""All others are going."""
_VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.PASS: "good",
        Verdict.FAIL: "bad",
        Verdict.UNKNOWN: "unknown",
        Verdict.SKIPPED: "skipped",
    }
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """ASCII where the encoding, None for an unknown one, lacks any of the letters."""
    try:
        "".join(astuple(UNICODE)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def of_phase(phase: Phase, *, waits: bool, glyphs: Glyphs) -> str:
    """``waits`` is whether a person is waited for, though the phase itself goes on."""
    sign: str = getattr(glyphs, _PHASES.get(phase, "waiting" if waits else "going"))
    return sign


def of_verdict(verdict: Verdict, glyphs: Glyphs) -> str:
    """``✔``, ``✖``, ``?``, or a dash for what is not judged."""
    sign: str = getattr(glyphs, _VERDICTS[verdict])
    return sign


def bar(percent: float, cells: int, glyphs: Glyphs) -> str:
    """A share of everything: above 0 at least one cell is full, below 100 at least one is empty."""
    filled = round(percent / 100 * cells)
    if percent > 0:
        filled = max(filled, 1)
    if percent < 100:  # noqa: PLR2004 - per cent
        filled = min(filled, cells - 1)
    return glyphs.full * filled + glyphs.empty * (cells - filled)
