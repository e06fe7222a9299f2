"""Plays about LoRA adapters: what their pool's only pod has loaded, the test says.

They end as soon as the rewrite is split, for then every right to its group was needed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from controller.domain.release import BackendKind
from tests.e2e.cluster.plays_gateway import POOLS
from tests.e2e.cluster.plays_kinds import create, until_split
from tests.e2e.cluster.policies import ONE_STEP
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.rewrite_groups import FORMER, NEWER
from tests.kube_workloads import pod, ready
from tests.model_rewrites import rewrite, rule, target


def adapters(stage: ClusterStage, model: str) -> None:
    """A LoRA adapter of a pool whose only pod has it loaded, by a rewrite of the newer group."""
    _adapters(stage, model, NEWER)


def adapters_formerly(stage: ClusterStage, model: str) -> None:
    """The same by a rewrite of the former group, while the server knows no other."""
    _adapters(stage, model, FORMER)


def _adapters(stage: ClusterStage, model: str, api_version: str) -> None:
    stable, canary = f"{model}-v1", f"{model}-v2"
    with _engine(stable, canary) as port:
        runs = pod(model, {"app": model}, nodeName="nowhere")
        runs["metadata"]["namespace"] = stage.namespace
        stage.server.admin.create(runs)
        change = {"status": ready("127.0.0.1")}
        stage.server.admin.patch("v1", "Pod", stage.namespace, model, change, "status")
        served = {"selector": {"matchLabels": {"app": model}}, "targetPorts": [{"number": port}]}
        create(stage, f"{POOLS}/v1", "InferencePool", model, served)
        written = rewrite(rule(target(stable), models=(model,)), pool=model)
        create(stage, api_version, "InferenceModelRewrite", model, written["spec"])
        stage.policy(model, ONE_STEP, route={"inferenceModelRewrite": model}, metrics="epp-lora")
        to = {"kind": BackendKind.LORA_ADAPTER, "name": canary}
        name = stage.release(model, "v2", backend=to)
        kind = "InferenceModelRewrite"
        until_split(stage, name, api_version, kind, lambda spec: spec["rules"][0]["targets"])


@contextmanager
def _engine(*models: str) -> Iterator[int]:
    """An engine that lists these models; its port."""
    body = json.dumps({"data": [{"id": each} for each in models]}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
