"""Whatever comes, signed or not: never a defect, and never a word to a rollout."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.slack_caller import signed
from tests.unit.slack_callbacks.stage import ANN, NOW, SECRET, Callbacks

_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_SHAPED = st.fixed_dictionaries(
    {
        "type": st.just("block_actions") | _JSON,
        "user": st.fixed_dictionaries({"id": st.just(ANN) | _JSON}) | _JSON,
        "channel": st.fixed_dictionaries({"id": st.just("C01") | _JSON}) | _JSON,
        "actions": st.lists(
            st.fixed_dictionaries({"action_id": st.just("serinus_abort") | _JSON, "value": _JSON}), max_size=3
        )
        | _JSON,
    }
)


@given(_SHAPED | _JSON | st.binary(max_size=200) | st.text(max_size=200))
def test_no_payload_breaks_anything_or_steers(payload: Any) -> None:
    """Each signed: what is behind the signature must not rely on it."""
    if isinstance(payload, bytes):
        body = payload
    elif isinstance(payload, str):
        body = urlencode({"payload": payload}, errors="replace").encode()
    else:
        body = urlencode({"payload": json.dumps(payload)}).encode()

    async def run(folder: Path) -> tuple[int, Callbacks]:
        callbacks = Callbacks(folder)
        return await callbacks.call(body, signed(body, SECRET, NOW)), callbacks

    with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        status, callbacks = asyncio.run(run(Path(folder)))
    assert status in (200, 400, 401)
    assert callbacks.steering.errands == []


@given(
    st.dictionaries(
        st.sampled_from(["X-Slack-Signature", "X-Slack-Request-Timestamp"]),
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")),
    ),
    st.binary(max_size=100),
)
def test_no_header_breaks_anything(headers: dict[str, str], body: bytes) -> None:
    async def run(folder: Path) -> int:
        return await Callbacks(folder).call(body, headers)

    with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        assert asyncio.run(run(Path(folder))) == 401
