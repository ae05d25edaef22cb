"""Tensors as the content of a safetensors file, without a copy of them.

Large tables are written from where they lie.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

Parts = list[bytes | memoryview]
"""What a file will hold, piece by piece, in order."""

_NAMES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""In the format's own order: wide types first, so that each tensor lies at a multiple of its width."""
_PLACE = {kind: place for place, kind in enumerate(_NAMES)}
ALIGN = 8


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Parts:
    """The very bytes that ``safetensors.torch.save(tensors, metadata)`` gives, as pieces that share memory with CPU tensors.

    The library's own function makes two copies of everything. Tensors that share memory (tied weights, a recurrent
    net's flat buffer) are stored each by itself. The pieces must be written before the tensors change.
    """
    parts: Parts = []
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (_PLACE[item[1].dtype], item[0])):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        if len(flat) < 2:  # whose stride may be anything, while a view of bytes wants 1
            flat = flat.new_empty(len(flat)).copy_(flat)
        data = flat.view(torch.uint8).numpy().data
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + data.nbytes],
        }
        at += data.nbytes
        parts.append(data)
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % ALIGN)
    return [len(head).to_bytes(8, "little"), head, *parts]
