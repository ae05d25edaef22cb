"""From a configuration to the objects of a run: source, encoder, method."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from selftaught import encoders, methods
from selftaught.config import Config, Layer
from selftaught.data import catalog, open_source
from selftaught.data.corpus import Corpus
from selftaught.data.hidden import hide
from selftaught.data.text import open_text
from selftaught.encoders.lookup import Lookup
from selftaught.encoders.subwords import Subwords
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Source

LARGEST_SIDE = 96
"""Images of one size up to this many pixels are seen as they are; all others are resized to it unless the user says otherwise."""
TEXT = ("tokens", "lower", "errors", "column")
"""What of `Config.data` says how text is read."""
SAMPLES = 2048
"""Samples from which the mean and the standard deviation of each channel are estimated."""


def locate(data: Any) -> str | None:
    """What config.yaml says of the data, so that a resumed run finds them: a catalog name, an absolute path, None for objects."""
    if isinstance(data, Path) or (isinstance(data, str) and data not in catalog.FILES):
        path = Path(data).expanduser()
        return str(path.resolve()) if path.exists() else str(data)
    return data if isinstance(data, str) else None


def open_data(config: Config, data: Any = None, progress: Callable[[int, int], None] | None = None) -> tuple[Source, str]:
    """What the run trains on, labels hidden as it says, and its split. `data` is the object itself where config names none.

    Raises UserError.
    """
    given = config.data["source"] if data is None else data
    if given is None:
        raise UserError("the data of this run were in memory: resume it from Python, selftaught.pretrain(..., out=RUN, resume=True)")
    split, labels, seed = config.data["split"], config.data["labels"], config.recipe.seed
    text = methods.describe(config.method).sees == "text"
    arguments = {key: config.data[key] for key in (*(TEXT if text else ("size",)), "limit")}
    if progress is not None:
        arguments["progress"] = progress
    opened: Callable[..., Source] = open_text if text else open_source
    if split is None:
        split = "train"
        if text or not (isinstance(given, str) and given in catalog.FILES):
            whole = opened(given, "all", **arguments)
            if not (whole.labels >= 0).any():  # nothing to judge it by: every sample is worth training on
                return hide(whole, labels, seed), "all"
    return hide(opened(given, split, **arguments), labels, seed), split


def encoder_input(source: Source, size: int | None = None) -> dict[str, Any]:
    """What an encoder is told about its input.

    Of images the side in pixels, the channels, and each channel's mean and deviation (full brightness = 1); of text the words.
    """
    if isinstance(source, Corpus):
        return source.whole_input()
    known = getattr(source, "image_size", None)
    if size is None:
        size = min(known) if known is not None and max(known) <= LARGEST_SIDE else LARGEST_SIDE
    mean, std = channel_statistics(source)
    return {"kind": "image", "size": int(size), "channels": len(mean), "mean": mean, "std": std}


def channel_statistics(source: Source) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over evenly spaced samples, every image weighing the same; in [0, 1]."""
    index = np.unique(np.linspace(0, len(source) - 1, min(SAMPLES, len(source))).astype(np.int64))
    first: list[NDArray[np.float64]] = []
    second: list[NDArray[np.float64]] = []
    for part in np.array_split(index, -(-len(index) // 128)):
        for image in source.fetch(part)["image"]:
            pixels = image.reshape(-1, image.shape[-1]) / 255.0  # [H*W, C]
            first.append(pixels.mean(0))
            second.append((pixels**2).mean(0))
    mean = np.mean(first, 0)
    std = np.sqrt(np.maximum(np.mean(second, 0) - mean**2, 0))
    return [round(float(m), 6) for m in mean], [round(max(float(s), 1 / 255), 6) for s in std]  # a constant channel must not divide by 0


def build(config: Config, source: Source) -> Method:
    """The method around its encoder, its initial weights a pure function of the seed. Raises UserError for arguments that do not fit."""
    encoder = fresh_encoder(config, encoder_input(source, config.data.get("size")))
    if config.init is not None:
        if isinstance(encoder, Subwords) and inherited(config.init).values.get("encoder.name") == "subwords":
            encoder.start_from_rows(cast(Subwords, encoders.load(_weights(config.init))))
        elif isinstance(encoder, Lookup | Subwords):
            from selftaught.pretraining.words import word_vectors  # which builds on runs, and they on this

            encoder.start_from(word_vectors(config.init))
        elif encoder.spec["input"]["kind"] == "text" and _weights(config.init).suffix != ".safetensors":
            raise UserError(f"{config.init} holds no encoder {config.encoder}: word vectors start the encoders lookup and subwords alone")
        else:
            encoders.load_weights(encoder, _weights(config.init), strict=True)
    with _seeded(config.recipe.seed + 1):
        method: Method = methods.load(config.method)(encoder, **config.method_arguments)
    return method


def fresh_encoder(config: Config, seen: dict[str, Any]) -> Encoder:
    """The encoder as it is before any training, the same every time; `seen` is the "input" of its spec."""
    with _seeded(config.recipe.seed):
        return encoders.build(config.encoder, seen, **config.encoder_arguments)


def untrained(config: Config, seen: dict[str, Any]) -> Encoder:
    """What the method would keep if it stopped before its first step, without weights from elsewhere: its own form of `fresh_encoder`."""
    encoder = fresh_encoder(config, seen)
    with _seeded(config.recipe.seed + 1):
        kept: Encoder = methods.load(config.method)(encoder, **config.method_arguments).encoder
    return kept


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's generator starts at `seed` inside; outside, a caller's own random numbers go on as if nothing happened."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _weights(init: str) -> Path:
    path = Path(init)
    if path.is_dir():
        path = path / "encoder.safetensors"
        if not path.exists():
            raise UserError(f"the run {init} has no encoder.safetensors yet: finish it with 'selftaught resume {init}' first")
    return path


def inherited(init: str) -> Layer:
    """The encoder's name and arguments that a run or a weights file of ours was made with; empty for other files."""
    path = _weights(init)
    try:
        spec = described(path)
        if "name" not in spec:  # word vectors
            return Layer({}, {})
        return Layer.of({"encoder": {key: value for key, value in spec.items() if key != "input"}}, str(path))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return Layer({}, {})  # load_weights will say what is wrong with it


def described(path: Path) -> dict[str, Any]:
    """What a safetensors file of ours says it holds: an encoder's spec, or ``{"kind": "word vectors"}``; no tensor is read.

    Raises OSError, SafetensorError, ValueError, KeyError and TypeError for other files.
    """
    with safe_open(path, "numpy") as file:
        spec: dict[str, Any] = json.loads(file.metadata()["selftaught"])
    return spec
