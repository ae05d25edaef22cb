"""An encoder as one ONNX file, for runtimes without Python. Needs the extra [onnx].

::

    images          image float32 [B, C, S, S], brightness in [0, 1]; the normalisation is inside
    a transformer   ids int64 [B, T], the symbols of texts with their marks, and mask bool [B, T], False for padding
    word vectors    ids int64 [B, T], and mask: the words of texts that are known

The result is "features", float32 [B, dim], as `embed` gives them. B may be any number, and T up to the context of a
transformer. For texts the numbers of symbols are those of ``FILE.tokenizer.json`` beside it.
"""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.export import hf, tokenizer_json
from selftaught.method import Encoder
from selftaught.parts.word_vectors import Worded
from selftaught.run import check_writable, write_atomically

MOST = (1 << 31) - (1 << 26)
"""Most bytes of weights in one file, with room for the graph."""


def check(path: Path, encoder: Encoder, where: str) -> None:
    """Raises UserError if a package is missing, or the encoder cannot be written. Call it before the work."""
    for package in ("onnx", "onnxscript"):
        try:
            import_module(package)
        except ImportError as error:
            raise UserError(
                f"writing ONNX needs the package {package}: pip install 'selftaught[onnx]' ({error})"
            ) from error
    if isinstance(encoder, Transformer):
        tokenizer_json.symbols(encoder.spec["input"], encoder.words, ())
    elif _reads_tokens(encoder) and not isinstance(encoder, Worded):
        raise UserError(
            f"{where} has the encoder {encoder.spec['name']}, which ONNX cannot hold with texts of any length: runs "
            "with a transformer or with word vectors can be written"
        )
    size = sum(tensor.numel() * tensor.element_size() for tensor in encoder.state_dict().values())
    if size > MOST:
        raise UserError(
            f"{where} has an encoder of {size / 1e9:.1f} GB, and an ONNX file holds at most 2 GB: use a smaller one"
        )
    for file in (path, beside(path)) if _reads_tokens(encoder) else (path,):
        check_writable(file)


def beside(path: Path) -> Path:
    """Return the tokenizer of a file."""
    return path.with_suffix(".tokenizer.json")


def write(path: Path, encoder: Encoder, where: str = "this run") -> None:
    """Write the encoder to `path`, and the tokenizer of one of text beside it. On an error nothing is changed.

    Raises UserError if a package is missing, torch cannot export the network, or the disk is full.
    """
    check(path, encoder, where)
    module, given, axes = _parts(encoder)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter about itself
            program: Any = torch.onnx.export(
                module.eval(), tuple(given.values()), dynamo=True, input_names=list(given), output_names=["features"],
                dynamic_shapes=axes, verbose=False,
            )  # fmt: skip
    except Exception as error:  # torch raises many kinds here
        why = str(error).strip().partition("\n")[0][:200]
        raise UserError(f"torch cannot write the encoder {encoder.spec['name']} as ONNX: {why}") from error
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = "selftaught", json.dumps(_described(encoder))
    if _reads_tokens(encoder):
        write_atomically(beside(path), _tokenizer(encoder))
    write_atomically(path, model.SerializeToString())


def _reads_tokens(encoder: Encoder) -> bool:
    return "tokens" in encoder.spec["input"]


def _described(encoder: Encoder) -> dict[str, Any]:
    spec = encoder.spec
    seen = {key: value for key, value in spec["input"].items() if key not in ("words", "counts", "tokens")}
    return {**{key: value for key, value in spec.items() if key != "input"}, "input": seen}


def _parts(encoder: Encoder) -> tuple[nn.Module, dict[str, Tensor], Any]:
    """Return the module, an example of its arguments, and which of their axes may have any size."""
    seen, batch = encoder.spec["input"], torch.export.Dim("batch", min=1)
    if not _reads_tokens(encoder):
        size, channels = seen["size"], seen["channels"]
        return _Pictures(encoder), {"image": torch.rand(2, channels, size, size)}, ({0: batch},)
    context = encoder.context if isinstance(encoder, Transformer) else 1 << 16
    length = torch.export.Dim("length", min=2, max=context)
    ids, mask = torch.ones(2, min(5, context), dtype=torch.int64), torch.ones(2, min(5, context), dtype=torch.bool)
    mask[1, -1] = False
    module: nn.Module
    if isinstance(encoder, Transformer):
        module = _Texts(encoder)
    else:
        assert isinstance(encoder, Worded)
        module = _Words(torch.from_numpy(encoder.word_vectors().matrix.copy()))
    return module, {"ids": ids, "mask": mask}, ({0: batch, 1: length}, {0: batch, 1: length})


def _tokenizer(encoder: Any) -> bytes:
    seen = encoder.spec["input"]
    if isinstance(encoder, Transformer):
        marks = list((hf.CAUSAL if encoder.causal else hf.BOTH).values())
        given = tokenizer_json.symbols(seen, encoder.words, marks)
        start, end = given.marks[2], given.marks[1]
        template = (f"{start} $A", f"{start} $A {end} $B") if encoder.causal else (
            f"{start} $A {end}", f"{start} $A {end} $B {end}"
        )  # fmt: skip
    else:
        given = tokenizer_json.symbols(seen, encoder.word_vectors().words, ["[UNK]"])
        template = "$A", "$A $B"
    return (json.dumps(tokenizer_json.tokenizer(seen, given, template), ensure_ascii=False) + "\n").encode()


@final
class _Pictures(nn.Module):
    """An encoder of images with its normalisation."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        seen = encoder.spec["input"]
        self.register_buffer("mean", torch.tensor(seen["mean"], dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(seen["std"], dtype=torch.float32).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.encoder((image - self.get_buffer("mean")) / self.get_buffer("std"))
        return found


@final
class _Texts(nn.Module):
    def __init__(self, encoder: Transformer) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        # pieces without a vector of their own have that of other words
        known = torch.where(ids < len(self.encoder.token.weight), ids, len(self.encoder.words))
        return self.encoder.texts(known, mask)


@final
class _Words(nn.Module):
    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        table = self.get_buffer("table")
        there = mask & (ids < len(table))
        vectors = table[torch.where(there, ids, 0)] * there[..., None]
        return vectors.sum(1) / there.sum(1, keepdim=True).clamp(min=1)
