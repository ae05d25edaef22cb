"""ONNX files: onnxruntime gives what the encoder gives, for any number of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_folders import SENTENCES, TEXT

from selftaught import encoders
from selftaught.data.text.opening import open_text
from selftaught.errors import UserError
from selftaught.export import onnx
from selftaught.method import Encoder
from selftaught.parts.tokens import tokenise_as

IMAGE = {"kind": "image", "size": 16, "channels": 3, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.1]}


@pytest.fixture
def runtime() -> Any:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    return pytest.importorskip("onnxruntime")


def made(encoder: Encoder) -> Encoder:
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    for name, buffer in encoder.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(2.0)
    return encoder.eval()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("conv", {"width": 4}), ("resnet18", {"stem": "3x3"}), ("vit", {"width": 12, "depth": 1, "heads": 2})],
)
def test_images_of_any_number(tmp_path: Path, runtime: Any, name: str, arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    known = {a.name for a in encoders.arguments(name)}
    encoder = made(encoders.build(name, IMAGE, **{k: v for k, v in arguments.items() if k in known}))
    onnx.write(tmp_path / "a.onnx", encoder)
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"))
    mean, std = (torch.tensor(IMAGE[key]).view(3, 1, 1) for key in ("mean", "std"))
    for count in (1, 2, 7):
        image = torch.rand(count, 3, 16, 16)
        with torch.no_grad():
            wanted = encoder((image - mean) / std).numpy()
        (found,) = session.run(None, {"image": image.numpy()})
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["selftaught"])["name"] == name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transformer", {}), ("transformer", {"norm": "post", "pool": "first", "positions": "rotary"}),
        ("causal_transformer", {"positions": "sinusoidal"}), ("lookup", {}),
    ],
)  # fmt: skip
def test_texts_of_any_number_and_length(tmp_path: Path, runtime: Any, name: str, arguments: dict[str, Any]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    torch.manual_seed(0)
    small = {"dim": 8} if name == "lookup" else {"width": 12, "depth": 2, "heads": 3, "context": 40}
    given = open_text(TEXT, "all").input()
    encoder = made(encoders.build(name, given, **{**small, **arguments, "min_count": 1}))
    onnx.write(tmp_path / "a.onnx", encoder)
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"))
    tokenizer = tokenizers.Tokenizer.from_file(str(onnx.beside(tmp_path / "a.onnx")))
    tokenizer.enable_padding()
    for texts in (SENTENCES[:1], SENTENCES, ["the cat", "a dog"]):
        encoded = tokenizer.encode_batch(texts)
        ids, mask = (np.array([getattr(e, key) for e in encoded]) for key in ("ids", "attention_mask"))
        (found,) = session.run(None, {"ids": ids, "mask": mask.astype(bool)})
        with torch.no_grad():
            wanted = encoder([tokenise_as(encoder.spec["input"], text) for text in texts]).numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_cannot_be_written_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = open_text(TEXT, "all").input()
    lstm = encoders.build("lstm", seen, width=8, units=8)
    monkeypatch.setattr(onnx, "import_module", lambda name: None)
    with pytest.raises(UserError, match="encoder lstm, which ONNX cannot hold with texts of any length"):
        onnx.check(tmp_path / "a.onnx", lstm, "RUN")
    monkeypatch.setattr(onnx, "MOST", 100)
    with pytest.raises(UserError, match="and an ONNX file holds at most 2"):
        onnx.check(tmp_path / "a.onnx", encoders.build("conv", IMAGE), "RUN")
    monkeypatch.undo()
    monkeypatch.setattr(onnx, "import_module", lambda name: None)
    with pytest.raises(UserError, match="there is no folder"):
        onnx.check(tmp_path / "nowhere" / "a.onnx", encoders.build("conv", IMAGE), "RUN")

    def missing(name: str) -> None:
        raise ImportError("No module named 'onnx'")

    monkeypatch.setattr(onnx, "import_module", missing)
    with pytest.raises(UserError, match=r"writing ONNX needs the package onnx: pip install 'selftaught\[onnx\]'"):
        onnx.check(tmp_path / "a.onnx", lstm, "RUN")
