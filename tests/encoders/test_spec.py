"""Long values of a spec are tensors of the file, not part of its header."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from selftaught import encoders
from selftaught.encoders.spec import LONG, WIDE, inlined, outlined
from selftaught.errors import UserError
from selftaught.parts.packed import differs


def seen(size: int) -> dict[str, object]:
    words = [f"слово{i}" for i in range(size - 1)] + ["half \ud800"]
    return {"kind": "text", "tokens": "words", "lower": True, "words": words, "counts": [*range(2 * size, size, -1)]}


def test_every_long_value_is_moved_and_comes_back() -> None:
    spec = {
        "name": "toy", "input": seen(LONG + 1) | {"mean": [0.5] * 3, "tokens": {"bpe": "m" * (WIDE + 1)}},
        "floats": [0.5] * 500, "few": ["a"] * LONG, "mixed": [1, "a"] * 100, "truth": [True] * 200,
    }  # fmt: skip
    short, tensors = outlined(spec)
    names = {"spec:input.words", "spec:input.words:ends", "spec:input.counts", "spec:input.tokens.bpe"}
    assert set(tensors) == names
    assert short["few"] == spec["few"] and short["floats"] == spec["floats"]
    tensors["weight"] = torch.zeros(1)
    assert inlined(json.loads(json.dumps(short)), tensors) == spec
    assert set(tensors) == {"weight"}


@pytest.mark.parametrize("name", ["lookup", "subwords", "bag"])
def test_the_header_does_not_grow_with_the_vocabulary(name: str, tmp_path: Path) -> None:
    lengths = []
    for size in (LONG + 20, 5000):
        encoder = encoders.build(name, seen(size), min_count=1)
        path = tmp_path / f"{size}.safetensors"
        path.write_bytes(encoders.save(encoder))
        assert differs(path, encoders.pack(encoder)) is None
        loaded = encoders.load(path)
        assert loaded.spec == encoder.spec
        assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), encoder.parameters(), strict=True))
        lengths.append(int.from_bytes(path.read_bytes()[:8], "little"))
    assert lengths[1] - lengths[0] < 100


def test_a_file_with_its_words_in_the_header_opens(tmp_path: Path) -> None:
    encoder = encoders.build("lookup", seen(300) | {"words": [f"w{i}" for i in range(300)]}, dim=3, min_count=1)
    path = tmp_path / "encoder.safetensors"
    safetensors.torch.save_file(encoder.state_dict(), path, {"selftaught": json.dumps(encoder.spec, sort_keys=True)})
    assert encoders.load(path).spec == encoder.spec
    other = encoders.build("lookup", seen(300), dim=3, min_count=1)
    encoders.load_weights(other, path)
    assert torch.equal(other.table, encoder.table)


def test_weights_are_loaded_without_the_spec(tmp_path: Path) -> None:
    encoder, other = (encoders.build("lookup", seen(300), dim=3, min_count=1) for _ in range(2))
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoders.save(encoder))
    report = encoders.load_weights(other, path)
    assert report.loaded == ("table",) and not report.unexpected
    assert torch.equal(other.table, encoder.table)


def test_words_that_do_not_fit_their_ends_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoders.save(encoders.build("lookup", seen(300), dim=3, min_count=1)))
    with safe_open(path, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["spec:input.words:ends"][7] = 1
    safetensors.torch.save_file(tensors, path, metadata)
    with pytest.raises(UserError, match="is not a readable safetensors file"):
        encoders.load(path)
    del tensors["spec:input.words"]
    safetensors.torch.save_file(tensors, path, metadata)
    with pytest.raises(UserError, match="is not a readable safetensors file"):
        encoders.load(path)
