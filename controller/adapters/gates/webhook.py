"""A gate that is asked by one POST, as webhooks are sent: signed, bounded, to where we may go."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from controller.adapters.exchange import tls_client
from controller.adapters.gates.question import GateAnswer, GateQuestion
from controller.adapters.notify.cloudevent import CONTENT_TYPE
from controller.adapters.notify.destination import Failure
from controller.adapters.notify.posting import Poster, Target, failure_of
from controller.adapters.notify.repeating import retry_after

_TIMEOUT = timedelta(seconds=10)
_OK = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The gate's word. ``retry_after`` is when it wants to be asked again, if it said so."""

    decision: Literal["allow", "deny", "wait"]
    retry_after: timedelta | None = None


class WebhookGate:
    """Raises `TargetError` when the address cannot be one."""

    def __init__(self, target: Target, timeout: timedelta = _TIMEOUT) -> None:
        self.name = target.name
        self._client = tls_client()
        self._poster = Poster(target, self._client, timeout)

    async def ask(self, question: GateQuestion) -> Answered | Failure:
        """Put the question once. Of the answer only its word is used: the rest may be a secret.

        A 200 without a word is a failure: a login page must not open a gate.
        """
        body = question.model_dump_json().encode()
        answer = await self._poster.send(question.id, body, CONTENT_TYPE)
        if isinstance(answer, Failure):
            return answer
        if (failure := failure_of(answer)) is not None:
            return failure
        try:
            said = GateAnswer.model_validate_json(answer.body if answer.status == _OK else b"")
        except ValidationError:
            return Failure(f"it answered {answer.status} without a decision: allow, deny or wait")
        return Answered(said.decision, retry_after(answer.headers, datetime.now(UTC)))

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
