"""Trains the five versions of `tumor-classifier` for the demo, and writes real traffic for them.

`python deploy/local/serving/train.py OUT` writes `OUT/v1 .. OUT/v5`, each what an inference server
serves, then `OUT/rows.json` (held-out rows) and `OUT/golden.json` (requests with expected answers). v1 is
decent, v2 better, v3 fails on some rows, v4 is right but slow, v5 answers wrongly. Everything is seeded; a
second call does nothing as long as this code and its libraries are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

RUNTIME = "deploy.local.serving.mlserver_runtime.OnnxRuntime"


def fingerprint() -> str:
    """Identify what the output depends on: this code and the libraries' versions."""
    digest = hashlib.sha256()
    for source in ("train.py", "tumor_models.py", "graphs.py"):
        digest.update(Path(__file__).with_name(source).read_bytes())
    for library in ("numpy", "onnx", "scikit-learn", "skl2onnx"):
        digest.update(f"{library}={installed(library)}\n".encode())
    return digest.hexdigest()


def build(out: Path) -> bool:
    """Write everything below `out` unless it is up to date; give whether it was written."""
    stamp = out / "trained.json"
    current = json.dumps({"fingerprint": fingerprint()})
    if stamp.exists() and stamp.read_text() == current:
        return False
    from deploy.local.serving import tumor_models as tumor  # noqa: PLC0415 - scikit-learn: seconds

    data = tumor.Data.load()
    models = tumor.train(data)
    answers = tumor.Answers(models)
    for version, model in models.items():
        folder = out / f"v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        replace(folder / "model.onnx", model.SerializeToString())
        parameters = {"version": version, "uri": "./model.onnx"}
        settings = {"name": tumor.MODEL, "implementation": RUNTIME, "parameters": parameters}
        _write_json(folder / "model-settings.json", settings)
    rows = {"name": tumor.INPUT, "datatype": "FP32", "rows": tumor.decimals(data.held_out)}
    _write_json(out / "rows.json", rows)
    _write_json(out / "golden.json", tumor.golden(data, answers))
    for version in ("1", "2"):
        print(f"v{version}: held-out accuracy {answers.accuracy(version, data):.3f}")
    print(f"v3: fails on {answers.failed_share('3', data):.1%} of the held-out rows")
    replace(stamp, current.encode())  # last: an interrupted run is run again
    return True


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def _write_json(path: Path, value: Any) -> None:
    replace(path, json.dumps(value).encode())


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    print(f"{out}: {'trained' if build(out) else 'up to date'}")


if __name__ == "__main__":
    main()
