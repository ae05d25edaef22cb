"""Tensors as the content of a safetensors file: the library's own bytes, without its copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from selftaught.errors import UserError
from selftaught.parts.packed import MOST, Parts, differs, opens, packed
from selftaught.run import write_atomically

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


def test_a_header_that_no_reader_opens_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(3.0)}
    most = len(packed(tensors, {"about": "x" * 400})[1])
    monkeypatch.setattr("selftaught.parts.packed.MOST", most)
    packed(tensors, {"about": "x" * 400})
    with pytest.raises(UserError, match=f"has room for {most:,}"):
        packed(tensors, {"about": "x" * 420})


def test_the_limit_is_the_readers(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    for length, opened in ((MOST, True), (MOST + 8, False)):
        path.write_bytes(length.to_bytes(8, "little") + b"{}" + b" " * (length - 2))
        assert opens(path) is opened
    assert not opens(tmp_path / "none.safetensors")


def test_what_was_written_is_compared(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).bfloat16().reshape(2, 3), "b": torch.tensor(3), "c": torch.zeros(0)}
    parts, path = packed(tensors, {"about": "it"}), tmp_path / "file.safetensors"
    write_atomically(path, parts)
    assert differs(path, parts) is None
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert differs(path, parts) == "the tensor a is another"
    path.write_bytes(b"".join(packed(tensors, {"about": "other"})))
    assert differs(path, parts) == "its header is another"
    path.write_bytes(whole[:-3])
    assert str(differs(path, parts)).startswith("it cannot be opened: ")


def test_a_disk_that_keeps_something_else_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    path.write_bytes(b"before")

    def lossy(at: Path, data: Parts) -> None:
        at.write_bytes(b"".join(data)[:-1])

    monkeypatch.setattr("selftaught.run.write_synced", lossy)
    with pytest.raises(UserError, match=r"file.safetensors was written, but not as it should be \(it cannot be opened"):
        write_atomically(path, packed({"a": torch.zeros(3)}))
    assert [p.name for p in tmp_path.iterdir()] == ["file.safetensors"] and path.read_bytes() == b"before"
