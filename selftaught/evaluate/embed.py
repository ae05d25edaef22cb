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
from selftaught.method import Encoder, Source, Views
from selftaught.views import plain
from selftaught.views import raw as raw_views

Progress = Callable[[int, int], None]
Features = NDArray[np.floating[Any]]


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; afterwards every submodule's mode and torch's random state are what they were."""
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
) -> Features:
    """[N, dim]: the frozen encoder's output for every sample, in the order of the source.

    The encoder sees plain views (no augmentation) in eval mode; its modes and buffers stay as they are. Memory: the result,
    and one batch.

    Args:
        encoder: Its `spec["input"]` says what it sees.
        source: What to embed.
        batch_size: Samples at a time; the numbers do not depend on it beyond float rounding.
        device: Where to compute; by default where the encoder is.
        progress: Called with (samples done, samples).
        dtype: float16 halves the memory.
        views: What to show instead of the plain views; their single output is what the encoder gets.

    Raises:
        UserError: The source does not fit the encoder, or features are not finite.
    """
    home = _device_of(encoder)
    place = home if device is None else torch.device(device)
    views = plain(encoder.spec["input"]) if views is None else views
    try:
        encoder.to(place)
        with frozen(encoder):
            return _collect(encoder, source, views, batch_size, place, progress, dtype)
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

    Of images the very plain views that an encoder with this `input` would get, flattened to [N, C * S * S]; of text the bag of its most
    frequent words, see `views/text`.
    """
    return _collect(lambda x: x, source, raw_views(input), batch_size, torch.device("cpu"), progress, dtype)


def batches(source: Source, index: NDArray[np.int64], views: Views, batch_size: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """The views' outputs for the samples at `index`, in order. Their random parameters are those of epoch 0, seed 0."""
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, not {batch_size}")
    for start in range(0, len(index), batch_size):
        part = index[start : start + batch_size]
        yield views.apply(source.fetch(part), views.sample(part, 0, 0), device)


def _collect(
    function: Callable[[Tensor], Tensor],
    source: Source,
    views: Views,
    batch_size: int,
    device: torch.device,
    progress: Progress | None,
    dtype: type[np.float32] | type[np.float16],
) -> Features:
    total = len(source)
    if total == 0:
        raise UserError("there is nothing to embed: the data are empty")
    found: Features | None = None
    done = 0
    for batch in batches(source, np.arange(total), views, batch_size, device):
        (given,) = (value for key, value in batch.items() if key not in ("label", "index"))
        features = function(given).float().flatten(1)  # [B, D]
        if not bool(torch.isfinite(features).all()):
            raise UserError(f"the features of sample {done} or soon after are not finite: the encoder diverged in training")
        if found is None:
            found = np.empty((total, features.shape[1]), dtype)
        found[done : done + len(features)] = features.cpu().numpy()
        done += len(features)
        if progress is not None:
            progress(done, total)
    assert found is not None
    return found


def _device_of(module: nn.Module) -> torch.device:
    return next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
