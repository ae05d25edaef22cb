"""Frozen features: the outputs of an encoder, or the raw input, for every sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.evaluate.folded import folded
from selftaught.evaluate.threads import pool
from selftaught.method import Batch, Encoder, Source, Views, given
from selftaught.views import plain
from selftaught.views import raw as raw_views

BATCH = 128
"""Samples that are embedded at a time: on a CPU, a thread's share stays in its cache."""
Progress = Callable[[int, int], None]
Features = NDArray[np.floating[Any]]


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Context with eval mode and no gradients.

    Restores the mode of every submodule and torch's random state afterwards.
    """
    modes = {part: part.training for part in module.modules()}
    devices = {t.device for t in (*module.parameters(), *module.buffers()) if t.device.type == "cuda"}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[d.index for d in devices]):
            module.eval()
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def embed(
    encoder: Encoder,
    source: Source,
    batch_size: int = BATCH,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
    *,
    dtype: type[np.float32] | type[np.float16] = np.float32,
    views: Views | None = None,
    layer: int | None = None,
    local: bool = False,
) -> Features:
    """Return [N, dim]: the output of the frozen encoder for every sample, in the order of the source.

    >>> import numpy as np
    >>> from selftaught import encoders
    >>> from selftaught.data import open_source
    >>> source = open_source(np.zeros((3, 8, 8, 1), np.uint8), "all")
    >>> input = {"kind": "image", "size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}
    >>> encoder = encoders.build("conv", input, width=4)
    >>> embed(encoder, source).shape == (3, encoder.dim)
    True

    The encoder sees plain views (no augmentation) in eval mode; its modes and buffers are not changed. Memory: the
    result and one batch.

    Args:
        encoder: The encoder; its `spec["input"]` describes its input.
        source: The data to embed.
        batch_size: Number of samples per batch; it changes the result only by rounding errors.
        device: Where to compute; by default the device of the encoder.
        progress: Called with (samples done, samples).
        dtype: float16 halves the memory.
        views: Views to use instead of the plain views; the encoder gets their outputs. If they give a list of tensors
            (patches of a sample), the features of these are averaged.
        layer: Number of the layer, counted from 0, or from the end (-1). Its positions are flattened into one vector.
            By default the encoder's output.
        local: Keep the positions: [N, C, *positions] of `layer`, by default of the last layer with positions. If
            samples have different numbers of positions, as texts do, shorter ones are padded with zeros.

    Raises:
        UserError: If the source does not fit the encoder, the layer does not exist, or features are not finite.
    """
    home = _device_of(encoder)
    place = home if device is None else torch.device(device)
    views = plain(encoder.spec["input"]) if views is None else views

    def features(x: Any, **masks: Tensor) -> Tensor:
        if layer is None:
            return encoder.local(x) if local else encoder(x, **masks)
        found = encoder.layers(x, **masks)
        if not -len(found) <= layer < len(found):
            raise UserError(f"encoder {encoder.spec['name']} has the layers 0 to {len(found) - 1}, not {layer}")
        return found[layer]

    if place.type == "cpu" and any(parameter.dim() == 4 for parameter in encoder.parameters()):
        encoder = folded(encoder)
    try:
        encoder.to(place)
        with frozen(encoder):
            return _collect(features, source, views, batch_size, place, progress, dtype, local)
    finally:
        encoder.to(home)


def raw(
    source: Source,
    input: Mapping[str, Any],
    batch_size: int = BATCH,
    progress: Progress | None = None,
    *,
    dtype: type[np.float32] | type[np.float16] = np.float32,
) -> Features:
    """Return the raw input as features, the baseline without an encoder.

    For images, these are the plain views that an encoder with this `input` would get, flattened to [N, C * S * S]. For
    text, they are bags of the most frequent words, see `views/text`.
    """
    return _collect(lambda x: x, source, raw_views(input), batch_size, torch.device("cpu"), progress, dtype)


def batches(
    source: Source, index: NDArray[np.int64], views: Views, batch_size: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Yield the views of the samples at `index`, in order, with the random parameters of epoch 0, seed 0."""
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, not {batch_size}")
    for start in range(0, len(index), batch_size):
        part = index[start : start + batch_size]
        yield views.apply(source.fetch(part), views.sample(part, 0, 0), device)


def embed_pairs(
    encoder: Callable[..., Tensor], source: Source, index: NDArray[np.int64], views: Views, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the features of the views "first" and "second" of the samples at `index`, float32 [N, D] each.

    The encoder must be in eval mode, without gradients: see `frozen`. A view's mask, "first_mask", is its "mask".
    """

    def encode(batch: Batch, name: str) -> Tensor:
        mask = {"mask": batch[f"{name}_mask"]} if f"{name}_mask" in batch else {}
        return encoder(batch[name], **mask)

    made = batches(source, index, views, BATCH, device)
    pairs = [(encode(batch, "first"), encode(batch, "second")) for batch in made]
    first, second = (torch.cat(side).float().flatten(1) for side in zip(*pairs, strict=True))
    return first, second


def _collect(
    function: Callable[..., Tensor],
    source: Source,
    views: Views,
    batch_size: int,
    device: torch.device,
    progress: Progress | None,
    dtype: type[np.float32] | type[np.float16],
    local: bool = False,
) -> Features:
    total = len(source)
    if total == 0:
        raise UserError("there is nothing to embed: the data is empty")
    found: Features | None = None
    done = 0

    def encode(batch: Batch) -> Tensor:
        x, masks = given(batch)
        with torch.no_grad():  # which is each thread's own matter
            if isinstance(x, list) and isinstance(x[0], Tensor):
                features = torch.stack([function(one, **masks).float() for one in x]).mean(0)
            else:
                features = function(x, **masks).float()
        return features if local else features.flatten(1)  # [B, D]

    with pool() as threads:
        made = batches(source, np.arange(total), views, batch_size, device)
        for features in threads.stream(encode, made) if device.type == "cpu" else map(encode, made):
            # the sum is quicker to ask, but may be infinite where no feature is
            if not math.isfinite(float(features.sum())) and not bool(torch.isfinite(features).all()):
                raise UserError(
                    f"the features of sample {done} or soon after are not finite: the encoder diverged in training"
                )
            if found is None:
                found = np.empty((total, *features.shape[1:]), dtype)
            elif features.shape[1:] != found.shape[1:]:
                found, features = _alike(found, features, local)
            found[done : done + len(features)] = features.cpu().numpy()
            done += len(features)
            if progress is not None:
                progress(done, total)
    assert found is not None
    return found


def _alike(found: Features, features: Tensor, local: bool) -> tuple[Features, Tensor]:
    """Pad both with zeros to the number of positions of the longer one.

    Raises UserError if the features have no positions.
    """
    if not local:
        raise UserError(
            "samples have different numbers of positions in this layer: keep the positions (local), or choose "
            "another layer"
        )
    longest = tuple(max(a, b) for a, b in zip(found.shape[2:], features.shape[2:], strict=True))
    wide = np.zeros((*found.shape[:2], *longest), found.dtype)
    wide[(slice(None), slice(None), *map(slice, found.shape[2:]))] = found
    padding = [(0, new - old) for new, old in zip(longest, features.shape[2:], strict=True)]
    return wide, nn.functional.pad(features, [side for pair in reversed(padding) for side in pair])


def _device_of(module: nn.Module) -> torch.device:
    return next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
