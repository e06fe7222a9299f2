"""What a rollout needs besides Serinus, to try it by hand: `python -m deploy.local.playground FOLDER`.

It starts Envoy, Prometheus, four versions of a small model and a stream of real requests, and writes `env`:
the settings that `serinus run` needs, and where each version answers. Policies, the daemon and the rollouts
are the reader's. Everything listens on 127.0.0.1 and ends with Ctrl-C, or after an hour with the stream.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from pathlib import Path

from deploy.local.render import LOOPBACK
from deploy.local.serving import train
from deploy.local.stack import REPOSITORY, Service, Stack, StackError, free_port
from deploy.local.stream import Stream

MODEL = "tumor-classifier"
VERSIONS = ("v1", "v2", "v3", "v4")
REQUESTS_PER_SECOND = 200
STREAM_SECONDS = 3600
_MODELS = REPOSITORY / "deploy" / "local" / ".build" / "models"


def environment(folder: Path, gateway: Service, prometheus: Service, engines: dict[str, Service]) -> str:
    """The file `env`, for a shell to read."""
    settings = {
        "SERINUS_STATE_DIR": folder / "state",
        "SERINUS_POLICIES_DIR": folder / "policies",
        "SERINUS_SOCKET": folder / "serinus.sock",
        "SERINUS_HTTP_PORT": free_port(),
        "SERINUS_ENVOY__FOLDER": folder / ".playground" / "xds",
        "SERINUS_ENVOY__ADMIN_URL": f"http://{LOOPBACK}:{gateway.metrics_port}",
        "SERINUS_PROMETHEUS__URL": f"http://{LOOPBACK}:{prometheus.port}",
    }
    answers = {version.upper(): f"{LOOPBACK}:{engine.port}" for version, engine in engines.items()}
    gate = {"GATEWAY": f"http://{LOOPBACK}:{gateway.port}"}
    variables = {**settings, **answers, **gate}
    return "".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in variables.items())


def play(folder: Path) -> None:
    """Start everything, say so, and keep it running until a signal."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    for name in ("state", "policies"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    train.build(_MODELS)
    with Stack(folder / ".playground") as stack:
        engines = {version: stack.model_server(_MODELS / version) for version in VERSIONS}
        gateway = stack.envoy()
        prometheus = stack.prometheus(gateway.metrics_port)
        url = f"http://{LOOPBACK}:{gateway.port}/v2/models/{MODEL}/infer"
        Stream(
            stack,
            [url],
            _MODELS / "rows.json",
            rate=REQUESTS_PER_SECOND,
            seconds=STREAM_SECONDS,
            name="users",
        )
        env = folder / "env"
        env.write_text(environment(folder, gateway, prometheus, engines))
        print(f"Ready. Settings and addresses: {env}. Ctrl-C ends it.", flush=True)
        ended.wait(STREAM_SECONDS)
        env.unlink(missing_ok=True)


def main() -> int:
    """Exit code 0 after Ctrl-C, 1 if a part did not start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    try:
        play(parser.parse_args().folder.resolve())
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
