"""Serialise tensors as safetensors without copying them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught.errors import UserError

Parts = list[bytes | memoryview]
"""The content of a file, as parts in order."""

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
"""The order of the format: wide types first, so that each tensor is aligned to its width."""
_PLACE = {kind: place for place, kind in enumerate(_NAMES)}
ALIGN = 8
MOST = 100_000_000
"""Bytes in the header of a file that the library's own reader opens."""


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Parts:
    """Return the bytes of ``safetensors.torch.save(tensors, metadata)`` as parts that share memory with CPU tensors.

    The library's own function makes two copies of all data. Tensors that share memory (tied weights, the flat buffer of
    a recurrent network) are each stored separately. Write the parts before the tensors change.

    Raises UserError if the names and the metadata are too long for a reader.
    """
    parts: Parts = []
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (_PLACE[item[1].dtype], item[0])):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        if len(flat) < 2:  # their stride may be any number, but a view of bytes needs stride 1
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
    if len(head) > MOST:
        raise UserError(
            f"the names of {len(tensors):,} tensors and what is said about them take {len(head):,} bytes, but a "
            f"safetensors file has room for {MOST:,}"
        )
    return [len(head).to_bytes(8, "little"), head, *parts]


def differs(path: Path, parts: Parts) -> str | None:
    """Open the file `path`, to which `parts` were written, with the library's own reader, and compare every tensor.

    Returns None if it holds the same, else what is wrong.
    """
    header = json.loads(bytes(parts[1]))
    metadata = header.pop("__metadata__", None)
    try:
        with safe_open(path, "pt") as file:
            if file.metadata() != metadata or set(file.keys()) != set(header):
                return "its header is another"
            for name, part in zip(header, parts[2:], strict=True):
                found = file.get_tensor(name).reshape(-1).view(torch.uint8).numpy()
                if not np.array_equal(found, np.frombuffer(part, np.uint8)):
                    return f"the tensor {name} is another"
    except (SafetensorError, OSError) as error:
        return f"it cannot be opened: {error}"
    return None


def opens(path: Path) -> bool:
    """Return whether the file is there and its header can be read. No tensor is read."""
    try:
        with safe_open(path, "pt"):
            return True
    except (SafetensorError, OSError):
        return False
