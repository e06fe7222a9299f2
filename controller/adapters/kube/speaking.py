"""Says a person's word to a rollout of the cluster, and hears what the daemon makes of it.

**Invariant**: what is written is ``spec.request`` of one ModelRollout and nothing else, only over the spec
that was read; and a word that was answered before is not written again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import current_rollout_id, key_of
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.untrusted import text
from controller.adapters.kube.words import Answer, Word, answer_to, operations, unanswered
from controller.control.errors import NotFound, Refused, Unavailable
from controller.domain.model import CommandKind
from controller.errors import TransientError

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the daemon's answer is waited for."""

    answer_seconds: float = 5.0
    poll_seconds: float = 0.2
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic


async def spoken(client: KubeClient, obj: Obj, word: Word, patience: Patience) -> tuple[Obj, Answer]:
    """Write the word into the object as it was read; the daemon's answer, and the object then.

    Raises `Refused` when another word is in the way, `NotFound` when the object was deleted, `Unavailable`
    when no answer comes in time, and what the client raises.
    """
    said = await _said(client, obj, word, patience)
    ends = patience.monotonic() + patience.answer_seconds
    while (answer := _heard(said, word)) is None:
        if patience.monotonic() >= ends:
            raise Unavailable(
                f"{current_rollout_id(said)}: the {word.kind} was handed over, but no daemon has answered "
                f"within {patience.answer_seconds:g} s; it is followed as soon as one does",
                "serinus doctor",
            )
        await patience.sleep(patience.poll_seconds)
        said = await _again(client, said)
    return said, answer


async def _said(client: KubeClient, obj: Obj, word: Word, patience: Patience) -> Obj:
    """The object with the word; what was changed meanwhile is read again and decided anew."""
    for _ in range(_ATTEMPTS):
        other = unanswered(obj)
        if other == word.request or answer_to(obj, word.request_id) is not None:
            return obj  # the answer to an earlier try was lost, not the try
        if other is not None and _is_abort(other) and word.kind is not CommandKind.ABORT:
            raise Refused(
                f"{current_rollout_id(obj)}: {_said_by(other)} waits for the daemon, and is not replaced",
                "serinus doctor",
            )
        key = key_of(obj)
        try:
            return await client.json_patch(MODEL_ROLLOUTS, key.namespace, key.name, operations(obj, word))
        except TransientError:  # it was changed meanwhile, perhaps by this
            await patience.sleep(patience.poll_seconds)
            obj = await _again(client, obj)
    name = current_rollout_id(obj)
    raise Refused(
        f"{name} changes faster than the word could be said; say it again", f"serinus status {name}"
    )


def _heard(obj: Obj, word: Word) -> Answer | None:
    """The answer, None while there is none. Raises `Refused` when another word took the place of this."""
    answer = answer_to(obj, word.request_id)
    if answer is None and (other := unanswered(obj)) is not None and other.get("id") != word.request_id:
        name = current_rollout_id(obj)
        raise Refused(
            f"{name}: {_said_by(other)} came after your {word.kind} and before an answer",
            f"serinus status {name}",
        )
    return answer


async def _again(client: KubeClient, obj: Obj) -> Obj:
    key = key_of(obj)
    found = await client.get(MODEL_ROLLOUTS, key.namespace, key.name)
    if found is None:
        raise NotFound(f"the ModelRollout {key} was deleted", "serinus get")
    return found


def _is_abort(request: Obj) -> bool:
    return bool(request.get("action") == CommandKind.ABORT.value)


def _said_by(request: Obj) -> str:
    return f"{text(request.get('action'))} by {text(request.get('by')) or 'somebody'}"
