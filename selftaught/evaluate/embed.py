"""Frozen features: what an encoder, or nothing at all, makes of every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Source, Views, given
from selftaught.views import plain
from selftaught.views import raw as raw_views

Progress = Callable[[int, int], None]
Features = NDArray[np.floating[Any]]


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside.

    Afterwards every submodule's mode and torch's random state are what they were.
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
    batch_size: int = 512,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
    *,
    dtype: type[np.float32] | type[np.float16] = np.float32,
    views: Views | None = None,
    layer: int | None = None,
    local: bool = False,
) -> Features:
    """[N, dim]: the frozen encoder's output for every sample, in the order of the source.

    The encoder sees plain views (no augmentation) in eval mode; its modes and buffers stay as they are. Memory: the
    result, and one batch.

    Args:
        encoder: Its `spec["input"]` says what it sees.
        source: What to embed.
        batch_size: Samples at a time; the numbers do not depend on it beyond float rounding.
        device: Where to compute; by default where the encoder is.
        progress: Called with (samples done, samples).
        dtype: float16 halves the memory.
        views: What to show instead of the plain views; what they give is what the encoder gets.
        layer: Number of the layer whose features are wanted, from 0, or from the end (-1); its positions are laid side
            by side. By default the encoder's output.
        local: Keep the positions: [N, C, *positions] of `layer`, by default of the last layer that has any. Where
            samples have different numbers of positions, as texts do, shorter ones are filled up with zeros.

    Raises:
        UserError: The source does not fit the encoder, it has no such layer, or features are not finite.
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

    try:
        encoder.to(place)
        with frozen(encoder):
            return _collect(features, source, views, batch_size, place, progress, dtype, local)
    finally:
        encoder.to(home)


def raw(
    source: Source,
    input: Mapping[str, Any],
    batch_size: int = 512,
    progress: Progress | None = None,
    *,
    dtype: type[np.float32] | type[np.float16] = np.float32,
) -> Features:
    """The baseline without an encoder.

    Of images the very plain views that an encoder with this `input` would get, flattened to [N, C * S * S]; of text the
    bag of its most frequent words, see `views/text`.
    """
    return _collect(lambda x: x, source, raw_views(input), batch_size, torch.device("cpu"), progress, dtype)


def batches(
    source: Source, index: NDArray[np.int64], views: Views, batch_size: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """The views' outputs for the samples at `index`, in order. Their random parameters are those of epoch 0, seed 0."""
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, not {batch_size}")
    for start in range(0, len(index), batch_size):
        part = index[start : start + batch_size]
        yield views.apply(source.fetch(part), views.sample(part, 0, 0), device)


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
    for batch in batches(source, np.arange(total), views, batch_size, device):
        x, masks = given(batch)
        features = function(x, **masks).float()
        features = features if local else features.flatten(1)  # [B, D]
        if not bool(torch.isfinite(features).all()):
            raise UserError(
                f"the features of sample {done} or of one shortly after it are not finite: the encoder diverged during training"
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
    """Both with as many positions as the longer has, the new ones zeros.

    Raises UserError for features without positions.
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
