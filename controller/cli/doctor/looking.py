"""Where to look, and what to make of not being allowed to."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from controller.adapters.kube.errors import Forbidden
from controller.cli.cluster.access import in_words
from controller.cli.doctor.findings import Finding, failed, skipped
from controller.cli.doctor.setup import Setup, account_name
from controller.control.errors import InvalidRequest
from controller.errors import ControllerError
from controller.policy.quantities import shown

Findings = list[Finding]
_ACCOUNT = re.compile(r"(?:system:serviceaccount:)?([a-z0-9-]{1,63})[/:]([a-z0-9.-]{1,253})")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line, or the daemon's own settings, say about where to look.

    ``account`` is a user name; ``prometheus`` can be asked from here; ``sources`` looks at those of the
    settings; ``told`` is what the daemon was told, where that is known without looking.
    """

    daemon: str | None = None
    account: str = ""
    prometheus: str | None = None
    sources: Callable[[], Findings] | None = None
    policies: Path | None = None
    told: Setup | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def account_of(typed: str) -> str:
    """A service account as a person types it, as RBAC's user. Raises `InvalidRequest`."""
    match = _ACCOUNT.fullmatch(typed)
    if match is None:
        raise InvalidRequest(
            f"{shown(typed)} is not a service account: write NAMESPACE/NAME",
            "serinus doctor --as serinus/serinus",
        )
    return account_name(match[1], match[2])


async def seen(check: str, subject: str, look: Callable[[], Awaitable[Findings]]) -> Findings:
    """What a look finds; what keeps it from seeing is a finding too."""
    try:
        return await look()
    except Forbidden as error:
        return [skipped(check, subject, f"you may not look: {error}", "ask somebody who may")]
    except ControllerError as error:
        told = in_words(error)
        return [failed(check, subject, told.message, told.hint)]
