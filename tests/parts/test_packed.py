"""Tensors as the content of a safetensors file: the library's own bytes, without its copies."""

from __future__ import annotations

import numpy as np
import safetensors.torch
import torch

from selftaught.parts.packed import packed

TENSORS = {
    "b.weight": torch.randn(3, 4),
    "a": torch.arange(5),
    "é": torch.ones(2, dtype=torch.bfloat16),
    "flag": torch.tensor(True),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(1.5, dtype=torch.float64),
    "bytes": torch.arange(3, dtype=torch.uint8),
    "i8": torch.ones(3, dtype=torch.int8),
    "half": torch.ones(3, dtype=torch.float16),
    "i16": torch.ones(3, dtype=torch.int16),
    "i32": torch.arange(3, dtype=torch.int32),
    "turned": torch.randn(3, 4).T,
    "one of many": torch.arange(3).expand(2, 3).T[:1, 1],
    "from numpy": torch.from_numpy(np.zeros((0, 2), np.int64)[:, 0]),
    "wide": torch.ones(1).expand(1, 1),
}


def test_the_bytes_are_the_librarys_own() -> None:
    whole = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    for metadata in (None, {"selftaught": '{"a": "é\n"}'}):
        assert b"".join(packed(TENSORS, metadata)) == safetensors.torch.save(whole, metadata)


def test_nothing_is_copied() -> None:
    table = torch.zeros(4, 2)
    parts = packed({"table": table})
    table += 1
    assert safetensors.torch.load(b"".join(parts))["table"].equal(torch.ones(4, 2))


def test_tensors_that_share_memory_are_stored_each() -> None:
    table = torch.randn(4, 2, requires_grad=True)
    found = safetensors.torch.load(b"".join(packed({"a": table, "b": table, "row": table[1]})))
    assert found["a"].equal(table) and found["b"].equal(table) and found["row"].equal(table[1])
