"""The same ONNX models inside MLServer 1.7: `mlserver start DIR`, one process per version.

Runs in MLServer's own virtual environment, whose pins (an old Starlette among them) must not reach ours:

    uv venv .cache/mlserver-venv
    export VIRTUAL_ENV=$PWD/.cache/mlserver-venv
    uv pip install --require-hashes -r deploy/local/serving/mlserver-requirements.txt

`Stack.mlserver` starts it with the repository's root on PYTHONPATH; `model-settings.json` names the
class below.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from mlserver import MLModel  # type: ignore[import-not-found]
from mlserver.errors import MLServerError  # type: ignore[import-not-found]
from mlserver.types import (  # type: ignore[import-not-found]
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    ResponseOutput,
)
from mlserver.utils import get_model_uri  # type: ignore[import-not-found]

from deploy.local.serving.onnx_model import BadInputError, ModelError, OnnxModel

if TYPE_CHECKING:
    from typing import Any


class OnnxRuntime(MLModel):  # type: ignore[misc]
    """An MLServer runtime for one ONNX file. Inference leaves the event loop free."""

    async def load(self) -> bool:
        """Load the file that `parameters.uri` names."""
        path = Path(await get_model_uri(self._settings))
        self._model = await asyncio.to_thread(OnnxModel, path)
        tensors = self._model.metadata()
        self.inputs = [MetadataTensor(**t) for t in tensors["inputs"]]
        self.outputs = [MetadataTensor(**t) for t in tensors["outputs"]]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request. Raises MLServerError: 400 the caller's fault, 500 the model's."""
        try:
            array, wanted = self._model.parse(_body(payload))
            outputs = await asyncio.to_thread(self._model.run, array, wanted)
        except BadInputError as error:
            raise MLServerError(str(error), 400) from error
        except ModelError as error:
            raise MLServerError(str(error), 500) from error
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[ResponseOutput(**o) for o in outputs],
        )


def _body(payload: InferenceRequest) -> dict[str, Any]:
    """Give back the JSON form; MLServer's own header parameters are not the model's business."""
    body: dict[str, Any] = payload.model_dump(exclude={"parameters"}, exclude_none=True)
    return body
