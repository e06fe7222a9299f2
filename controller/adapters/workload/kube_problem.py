"""Why a workload cannot serve, as a fact: a reason, a sentence, and whether waiting can mend it."""

from dataclasses import dataclass

from controller.domain.vocabulary import Reason

MOST_CHARACTERS = 240


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps copies from becoming ready. ``reason`` is None where no word of the vocabulary fits."""

    reason: Reason | None
    message: str
    hopeless: bool = False


def quoted(words: str, most: int = MOST_CHARACTERS) -> str:
    """What a registry, a scheduler or an admission check said: on one line, printable, bounded."""
    line = " ".join("".join(each if each.isprintable() else " " for each in words[: 4 * most]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
