"""llama.cpp's own OpenAI-compatible server on a tiny language model that is made at its start.

Run in an environment with ``xllamacpp`` and ``gguf``: ``llamacpp_app.py PORT FOLDER``. The model says nothing
of sense and is a whole one all the same: a tokenizer of bytes and letters, one layer, random weights.
"""

import signal
import sys
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import gguf  # type: ignore[import-not-found]
import numpy as np
import xllamacpp  # type: ignore[import-not-found]

_WIDTH, _INNER, _HEADS, _CONTEXT = 64, 128, 4, 256
_UNKNOWN, _CONTROL, _BYTE, _NORMAL = 2, 3, 6, 1
"""Types of a token."""
_SHAPES = {
    "attn_q": (_WIDTH, _WIDTH),
    "attn_k": (_WIDTH, _WIDTH),
    "attn_v": (_WIDTH, _WIDTH),
    "attn_output": (_WIDTH, _WIDTH),
    "ffn_gate": (_INNER, _WIDTH),
    "ffn_up": (_INNER, _WIDTH),
    "ffn_down": (_WIDTH, _INNER),
}


def make(path: Path) -> None:
    """Write the model as a GGUF file."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *ascii_lowercase]
    types = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * 27]
    file = gguf.GGUFWriter(str(path), "llama")
    file.add_context_length(_CONTEXT)
    file.add_embedding_length(_WIDTH)
    file.add_block_count(1)
    file.add_feed_forward_length(_INNER)
    file.add_head_count(_HEADS)
    file.add_head_count_kv(_HEADS)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_dimension_count(_WIDTH // _HEADS)
    file.add_vocab_size(len(pieces))
    file.add_tokenizer_model("llama")
    file.add_token_list(pieces)
    file.add_token_scores([0.0] * len(pieces))
    file.add_token_types(types)
    file.add_unk_token_id(0)
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    _add_weights(file, len(pieces))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def _add_weights(file: Any, tokens: int) -> None:
    random = np.random.default_rng(1)
    small = {f"blk.0.{name}": shape for name, shape in _SHAPES.items()}
    for name, shape in {"token_embd": (tokens, _WIDTH), "output": (tokens, _WIDTH), **small}.items():
        file.add_tensor(f"{name}.weight", (random.standard_normal(shape) * 0.02).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        file.add_tensor(f"{name}.weight", np.ones(_WIDTH, np.float32))


def main(port: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    model = folder / "tiny.gguf"
    make(model)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.n_ctx = _CONTEXT
    settings.endpoint_metrics = True
    settings.warmup = False
    server = xllamacpp.Server(settings)
    signal.pause()
    del server


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
