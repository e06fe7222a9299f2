"""What a committed entry says to people, as one JSON object.

**Invariant**: built from typed fields only, so that no text of a policy or of a server's answer can become
markup, a mention or a template; the same entry always has the same id.
"""

import json

from controller.domain.model import Entry, Rollout

_LONGEST_MESSAGE = 3000


def message_id(rollout: Rollout, entry: Entry) -> str:
    """The same for every delivery of the entry, so that a receiver can drop repeats."""
    return f"{rollout.id}-{entry.seq}"


def message_body(rollout: Rollout, entry: Entry) -> bytes:
    """**Shape**: a JSON object; ``text`` is one line for a chat, the rest is for programs."""
    body = {
        "text": _line(rollout, entry),
        "id": message_id(rollout, entry),
        "at": entry.at.isoformat(),
        "event": entry.event,
        "model": rollout.model,
        "rollout": rollout.id,
        "phase": entry.phase,
        "reason": entry.reason,
        "message": _bounded(entry.message),
        "weight_percent": entry.weight_permille / 10,
        "versions": {"stable": rollout.stable and rollout.stable.version, "canary": rollout.release.version},
        "actor": entry.actor,
    }
    return json.dumps(body).encode("ascii")


def _line(rollout: Rollout, entry: Entry) -> str:
    weight = f"{entry.weight_permille / 10:g} % canary"
    line = f"{rollout.model} {rollout.release.version}: {entry.phase} ({entry.reason}), {weight}"
    message = " ".join(_bounded(entry.message).split())
    return _escaped(f"{line}. {message}" if message else line)


def _escaped(text: str) -> str:
    """Slack reads ``<...>`` as a link or a mention of everybody, and asks for these three to be escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."
