"""How a rollout looks in a Slack channel: its root message as it stands now, and a line for each event. Pure.

**Invariant**: every text from outside is escaped, and no text makes a link or a mention: a model named
``<!channel>`` pings nobody. Nothing is longer than Slack takes.

**Source**: Slack, Block Kit reference: header 150 characters, text of a section 3000, 10 fields of 2000.
"""

from collections.abc import Sequence
from datetime import datetime

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from controller.adapters.notify.message import escaped
from controller.control.why import WhyView, why_view
from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Phase, Verdict
from controller.domain.wording import given, sentence
from controller.ports import Posting

_BAR_CELLS = 10
_MOST_CHECKS = 10
_HEADER, _SECTION, _FIELD, _CONTEXT = 150, 3000, 2000, 1000
_BAD = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.NOT_DEPLOYED})
_WAITING = frozenset({Phase.PAUSED, Phase.FROZEN, Phase.HALTED})
_MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "…", Verdict.SKIPPED: "-"}


def root(rollout: Rollout, now: datetime) -> Sequence[Block]:
    """The rollout as it stands: what happened, where it is, what the checks say, what comes next."""
    why = why_view(rollout, now)
    blocks = [
        HeaderBlock(text=_plain(f"{_sign(rollout.phase)} {title(rollout)}", _HEADER)),
        SectionBlock(
            text=_marked(escaped(rollout.message) or str(rollout.phase), _SECTION), fields=_facts(rollout)
        ),
    ]
    if why.checks:
        blocks.append(SectionBlock(text=_marked(_checks(why), _SECTION)))
    blocks.append(ContextBlock(elements=[_marked(escaped(_footer(rollout, why)), _CONTEXT)]))
    return blocks


def links(posting: Posting) -> Sequence[Block]:
    """Where to read more; none where there is nothing."""
    found = [f"<{escaped(posting.page)}|Open the rollout>"] if posting.page else []
    if posting.report and posting.rollout.phase.terminal:
        found.append(f"<{escaped(posting.report)}|Report>")
    return [ContextBlock(elements=[_marked(" | ".join(found), _CONTEXT)])] if found else []


def reply(rollout: Rollout, entry: Entry) -> Sequence[Block]:
    """One event, for the thread: what happened, by whom, and what it rests on."""
    checks = {check.name: check for check in rollout.policy.checks}
    found = [
        f"{_MARKS[result.verdict]} {escaped(sentence(checks[result.name], result))}"
        for result in entry.assessment.checks[:_MOST_CHECKS]
        if result.name in checks
    ]
    said = "\n".join([f"*{escaped(entry.message or entry.event)}*", *found])
    weight = given(entry.weight_permille, entry.mirror_permille)
    by = f"{entry.phase} ({entry.reason}), {weight}, by {entry.actor}"
    return [
        SectionBlock(text=_marked(said, _SECTION)),
        ContextBlock(elements=[_marked(escaped(by), _CONTEXT)]),
    ]


def title(rollout: Rollout) -> str:
    """The rollout in a few words; not escaped."""
    before = rollout.stable.version if rollout.stable else "nothing"
    return f"{rollout.model}: {before} → {rollout.release.version}"


def weight_bar(permille: int) -> str:
    """The canary's share in ten cells: any share above nothing fills one, only all of it fills all."""
    cells = permille * _BAR_CELLS // 1000
    cells = max(cells, 1) if permille else 0
    return "▓" * cells + "░" * (_BAR_CELLS - cells)


def _facts(rollout: Rollout) -> list[MarkdownTextObject]:
    step = 0 if rollout.step is None else rollout.step + 1
    share = given(rollout.share_permille, rollout.mirror_permille)
    weight = f"{weight_bar(rollout.share_permille)} {share}"
    facts = {
        "Phase": f"{rollout.phase} ({rollout.reason})",
        "Weight": weight,
        "Step": f"{step} of {len(rollout.policy.steps)}",
        "By": rollout.created_by,
    }
    return [_marked(f"*{name}*\n{escaped(value)}", _FIELD) for name, value in facts.items()]


def _checks(why: WhyView) -> str:
    lines = [f"{_MARKS[check.verdict]} {escaped(check.sentence)}" for check in why.checks[:_MOST_CHECKS]]
    more = len(why.checks) - len(lines)
    return "\n".join([*lines, *([f"and {more} more checks"] if more > 0 else [])])


def _footer(rollout: Rollout, why: WhyView) -> str:
    at = f", {why.next_at:%Y-%m-%d %H:%M:%S} UTC at the earliest" if why.next_at else ""
    remedy = f" To do: {why.remedy}." if rollout.phase in _WAITING | _BAD and why.remedy else ""
    return f"Next: {why.next_action}{at}.{remedy} {rollout.id}"


def _sign(phase: Phase) -> str:
    if phase is Phase.SUCCEEDED:
        return "✅"
    if phase in _BAD:
        return "⛔"
    return "✋" if phase in _WAITING else "🐤"


def _plain(text: str, most: int) -> PlainTextObject:
    return PlainTextObject(text=_within(" ".join(text.split()) or "-", most), emoji=False)


def _marked(text: str, most: int) -> MarkdownTextObject:
    """Verbatim: Slack makes no links and mentions of its own out of words."""
    return MarkdownTextObject(text=_within(text, most), verbatim=True)


def _within(text: str, most: int) -> str:
    """Cut, but never amid an escape: what is left of one would be shown."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    start = cut.rfind("&", len(cut) - 5)
    return (cut if start < 0 or ";" in cut[start:] else cut[:start]) + "…"
