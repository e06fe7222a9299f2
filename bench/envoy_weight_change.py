"""From a weight change to the first request that obeys it, on a real Envoy with 10 and with 1,000 models.

Run: ``python -m bench.envoy_weight_change``. Takes under a minute. Each change moves all traffic of one model
from one version to the other while a client asks for that model every millisecond; the time runs from the
call of `EnvoyRouter.apply` to the first answer of the new version. "accepted" is when `apply` returned.
"""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from controller.adapters.traffic.envoy import EnvoyRouter
from controller.domain.policy import RouteRef
from controller.domain.release import Release, RoutedModel, Split
from deploy.local.http_client import Connection
from deploy.local.stack import Stack

CHANGES = 20
MODELS = (10, 1000)
THINK_SECONDS = 0.001
GOAL_MS = {10: 50, 1000: 300}
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET /v2/models/m0/infer HTTP/1.1\r\nhost: bench\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


def route(index: int) -> RouteRef:
    return RouteRef("envoy", f"/v2/models/m{index}")


async def fill(router: EnvoyRouter, models: int, split: Split) -> float:
    began = time.perf_counter()
    applies = [
        router.apply(RoutedModel(f"m{index}", route(index)), split, Split()) for index in range(models)
    ]
    await asyncio.gather(*applies)
    return time.perf_counter() - began


async def change(router: EnvoyRouter, connection: Connection, old: Split, new: Split) -> tuple[float, float]:
    """Milliseconds to the first answer of the new version, and to the return of `apply`."""
    wanted = (new.canary if new.weight_permille else new.stable) or Release("", ())
    began = time.perf_counter()

    async def accepted() -> float:
        await router.apply(RoutedModel("m0", route(0)), new, old)
        return time.perf_counter() - began

    applying = asyncio.create_task(accepted())
    while True:
        reply = await connection.send(REQUEST)
        if reply.status != 200:
            raise SystemExit(f"a request failed with {reply.status}")
        if reply.headers[b"x-serinus-version"].decode() == wanted.version:
            break
        await asyncio.sleep(THINK_SECONDS)
    obeyed = time.perf_counter() - began
    return obeyed * 1000, await applying * 1000


async def measure(models: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        gateway = stack.envoy()
        router = EnvoyRouter(stack.xds, f"http://127.0.0.1:{gateway.metrics_port}")
        await router.open()
        old = Split(Release("v1", (endpoint,)), Release("v2", (endpoint,)), 0)
        filled = await fill(router, models, old)
        connection = await Connection.open("127.0.0.1", gateway.port)
        obeyed, accepted = [], []
        for _ in range(CHANGES):
            new = replace(old, weight_permille=1000 - old.weight_permille)
            first, returned = await change(router, connection, old, new)
            obeyed.append(first)
            accepted.append(returned)
            old = new
        connection.close()
        await router.close()
        kib = (stack.xds / "rds.json").stat().st_size // 1024
    server.close()
    print(
        f"{models:>6} {statistics.median(obeyed):>10.1f} {max(obeyed):>10.1f} {GOAL_MS[models]:>6} "
        f"{statistics.median(accepted):>13.1f} {max(accepted):>13.1f} {filled:>9.2f} {kib:>9}"
    )


async def main() -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB memory, {CHANGES} changes, milliseconds")
    print("models obeyed p50 obeyed max   goal  accepted p50  accepted max  fill (s) rds (KiB)")
    for models in MODELS:
        await measure(models)


if __name__ == "__main__":
    asyncio.run(main())
