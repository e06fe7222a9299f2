"""A model on Ray Serve that answers what it is told to: a body of ``fail`` is an error, any other is not.

Run in Ray's own environment: ``rayserve_app.py PORT METRICS_PORT FOLDER``. The folder's path is short, for
Ray keeps sockets in it. SIGTERM ends all of Ray's processes with it, and leaves the folder to its owner.
"""

import signal
import sys

import ray  # type: ignore[import-not-found]
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

_MEMORY_BYTES = 80 * 1024 * 1024


@serve.deployment
class Model:
    """Answers at once."""

    async def __call__(self, request: Request) -> Response:
        """200, or 500 where it is told to fail."""
        failed = await request.body() == b"fail"
        return Response(b"", status_code=500 if failed else 200)


def main(port: int, metrics_port: int, folder: str) -> None:
    """Serve until SIGTERM."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _metrics_export_port=metrics_port,
        _temp_dir=folder,
        object_store_memory=_MEMORY_BYTES,
        logging_level="ERROR",
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Model.bind(), name="fraud", route_prefix="/fraud")  # type: ignore[attr-defined]
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
