"""A process that takes part in an election and nothing else, for tests that freeze and block it.

    python -m tests.kube.electing KUBECONFIG NAMESPACE IDENTITY LEASE RENEW RETRY [block]

It says ``leads EPOCH`` when it leads and ``lost`` when it has lost the lease. With ``block`` a leader never
gives its event loop a turn again.
"""

import asyncio
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from controller.adapters.kube.client import connect
from controller.adapters.kube.elector import Elector, LeaseRef, LeaseTiming
from controller.adapters.kube.errors import LeaseLost
from controller.adapters.kube.watchdog import Watchdog

EXIT_LOST = 70


async def floor() -> int:
    return 0


async def main(kubeconfig: str, namespace: str, identity: str, *more: str) -> None:
    lease, renew, retry = (timedelta(seconds=float(seconds)) for seconds in more[:3])
    client = await connect(Path(kubeconfig))
    ref = LeaseRef(namespace, "serinus", identity)
    elector = Elector(client, ref, floor, LeaseTiming(lease=lease, renew=renew, retry=retry))

    async def lead() -> None:
        say(f"leads {elector.epoch}")
        if "block" in more:
            time.sleep(3600)  # noqa: ASYNC251 - the fault that is tested
        await asyncio.Event().wait()

    with Watchdog(lambda: elector.overdue, lambda: os._exit(EXIT_LOST)):
        try:
            await elector.run(lead)
        except LeaseLost:
            say("lost")
            os._exit(EXIT_LOST)


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
