"""What a committed entry says to people, in one line of a chat.

**Invariant**: built from typed fields only, so that no text of a policy or of a server's answer can become
markup, a mention or a template.
"""

from controller.domain.model import Entry, Rollout

_LONGEST_MESSAGE = 3000


def line(rollout: Rollout, entry: Entry, page: str = "") -> str:
    """One line, escaped for Slack."""
    return escaped(plain_line(rollout, entry, page))


def plain_line(rollout: Rollout, entry: Entry, page: str = "") -> str:
    """One line for what takes text as text; with the address of the rollout's page, if it has one."""
    weight = f"{entry.weight_permille / 10:g} % canary"
    if entry.mirror_permille:
        weight = f"shadow {entry.mirror_permille / 10:g} %"
    said = f"{rollout.model} {rollout.release.version}: {entry.phase} ({entry.reason}), {weight}"
    message = " ".join(_bounded(entry.message).split())
    return " ".join(filter(None, (f"{said}. {message}" if message else said, page)))


def escaped(text: str) -> str:
    """Slack reads ``<...>`` as a link or a mention of everybody, and asks for these three to be escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."
