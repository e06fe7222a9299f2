"""A small inference server: the Open Inference Protocol v2 over HTTP, ONNX Runtime underneath.

`python deploy/local/serving/server.py --model-dir DIR --port N` serves one version of one model on
127.0.0.1. It answers `/v2/health/live` at once and `/v2/health/ready` once the model is loaded. Inference
runs in a small thread pool (ONNX Runtime lets go of the GIL): health and metrics answer while it computes.
Refused requests get `{"error": ...}`: 400 and 413 the caller's fault, 500 the model's, 503 overloaded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.serving.engine_metrics import EngineMetrics
from deploy.local.serving.onnx_model import BadInputError, Identity, ModelError, OnnxModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

THREADS = 2
MAX_PENDING = 64
"""Requests computed or queued at once; more are refused with 503 instead of waiting for ever."""
MAX_BODY_BYTES = 1 << 20
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
log = logging.getLogger("serinus.serving")


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        """Give the OIP error answer."""
        return JSONResponse({"error": str(self)}, self.status)


class Engine:
    """One model version and its endpoints. Not ready until `load` has returned."""

    def __init__(self, model_dir: Path) -> None:
        self._dir = model_dir
        self.identity = Identity.read(model_dir)
        self.metrics = EngineMetrics()
        self._model: OnnxModel | None = None
        self._pending = 0
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="infer")

    async def load(self) -> None:
        """Load the graph and run no request. Raises what ONNX Runtime raises on a bad file."""
        self._model = await asyncio.to_thread(OnnxModel, self._dir / "model.onnx")
        log.info("loaded %s version %s", self.identity.name, self.identity.version)

    def close(self) -> None:
        """Drop queued inferences; a running one ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ready(self) -> OnnxModel:
        """Give the model. Raises Refusal while it is still loading."""
        if self._model is None:
            raise Refusal(503, f"Model {self.identity.name} is not ready yet.")
        return self._model

    def addressed(self, request: Request) -> str | None:
        """Check the name and version in the URL; give the version, None if the URL has none."""
        name: str = request.path_params["model_name"]
        version: str | None = request.path_params.get("model_version")
        if name != self.identity.name or version not in {None, self.identity.version}:
            raise Refusal(404, "Model not found")
        return version

    async def health_live(self, _: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"live": True})

    async def health_ready(self, _: Request) -> Response:
        """Say whether the model is loaded."""
        self.ready()
        return JSONResponse({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        """Say whether this model version is loaded."""
        self.addressed(request)
        self.ready()
        return JSONResponse({"name": self.identity.name, "ready": True})

    async def model_metadata(self, request: Request) -> Response:
        """Describe the model's tensors."""
        self.addressed(request)
        head = {
            "name": self.identity.name,
            "versions": [self.identity.version],
            "platform": "onnx_onnxv1",
        }
        return JSONResponse(head | self.ready().metadata())

    async def infer(self, request: Request) -> Response:
        """Run one inference request."""
        url_version = self.addressed(request)
        model = self.ready()
        body = decode(await read_body(request))
        try:
            with self.metrics.inference(self.identity.name, url_version):
                outputs = await self._compute(model, body)
        except BadInputError as error:
            raise Refusal(400, str(error)) from error
        except ModelError as error:
            raise Refusal(500, str(error)) from error
        answer: dict[str, Any] = {
            "model_name": self.identity.name,
            "model_version": self.identity.version,
            "outputs": outputs,
        }
        if "id" in body:
            answer["id"] = body["id"]
        return JSONResponse(answer)

    async def _compute(self, model: OnnxModel, body: dict[str, Any]) -> list[dict[str, Any]]:
        array, wanted = model.parse(body)
        if self._pending >= MAX_PENDING:
            raise Refusal(503, "too many requests are waiting")
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, model.run, array, wanted)
        finally:
            self._pending -= 1

    async def metrics_page(self, _: Request) -> Response:
        """Expose the metrics."""
        return Response(self.metrics.exposition(), media_type=CONTENT_TYPE)


async def read_body(request: Request) -> bytes:
    """Read at most MAX_BODY_BYTES. Raises Refusal."""
    if "inference-header-content-length" in request.headers:
        raise Refusal(400, "the binary tensor extension is not supported")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect as error:
        raise Refusal(400, "the client went away") from error
    return bytes(body)


def decode(body: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises Refusal, also for absurd nesting and endless numbers."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not valid JSON") from error
    if not isinstance(value, dict):
        raise Refusal(400, "the request must be a JSON object")
    return value


def create_app(engine: Engine) -> Starlette:
    """Build the ASGI application; it closes the engine's pool when it ends."""

    def measured(path: str, handler: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            with engine.metrics.request(request.method, path) as status:
                try:
                    response = await handler(request)
                except Refusal as refusal:
                    response = refusal.response()
                status[0] = response.status_code
                return response

        return Route(path, endpoint, methods=[method])

    async def unmeasured_ready(request: Request) -> Response:
        try:
            return await engine.health_ready(request)
        except Refusal as refusal:
            return refusal.response()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        engine.close()

    routes = [
        Route("/v2/health/live", engine.health_live),  # health is not counted, as in MLServer
        Route("/v2/health/ready", unmeasured_ready),
        Route("/metrics", engine.metrics_page),
    ]
    for base in ("/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"):
        routes += [
            measured(base, engine.model_metadata),
            measured(f"{base}/ready", engine.model_ready),
            measured(f"{base}/infer", engine.infer, "POST"),
        ]
    return Starlette(routes=routes, lifespan=lifespan)


async def serve(engine: Engine, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises what loading the model raises, after shutting down."""
    config = uvicorn.Config(
        create_app(engine),
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    loading = asyncio.create_task(engine.load())

    def stop_if_failed(task: asyncio.Task[None]) -> None:
        server.should_exit |= not task.cancelled() and task.exception() is not None

    loading.add_done_callback(stop_if_failed)
    await server.serve()
    await loading


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(serve(Engine(arguments.model_dir), arguments.port))


if __name__ == "__main__":
    main()
