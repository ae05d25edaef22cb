"""Save and load weights: our own safetensors with the encoder's spec, and files with torchvision's or timm's names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught.encoders import layouts, pickled
from selftaught.encoders.pickled import Stored, Unreadable
from selftaught.encoders.spec import inlined, outlined
from selftaught.encoders.vit import resampled
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.packed import Parts, packed

COUNTER = "num_batches_tracked"  # of batch norm; torchvision's oldest files lack it


@final
@dataclass(frozen=True)
class Report:
    """What `load_weights` did, as sorted tensor names."""

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]
    """Tensors of the file that belong to no part of the encoder, as named there: heads, other networks, queues."""
    missing: tuple[str, ...]
    """Tensors of the encoder that are not in the file. They keep their values."""
    unexpected: tuple[str, ...]
    """Tensors of a part of the encoder that the encoder does not have."""
    adapted: tuple[str, ...]
    """First convolutions adapted to another number of channels, and positions adapted to another number of patches."""
    where: str = ""
    """Where in the file they were, such as ``teacher: backbone.``."""

    def sentence(self) -> str:
        """Say how much was taken, what was left aside, and what keeps its first values."""
        missing = [key for key in self.missing if not key.endswith(COUNTER)]
        known = [key for key in self.loaded if not key.endswith(COUNTER)]
        said = f"{len(known)} of {len(known) + len(missing)} tensors of the encoder start from the file"
        said += f" ({self.where})" if self.where else ""
        said += f"; fitted to other channels or positions: {', '.join(self.adapted)}" if self.adapted else ""
        said += f"; left aside: {_parts(self.ignored, self.where)}" if self.ignored else ""
        return said + (f"; not in the file, so untrained: {_parts(missing)}" if missing else "")


def _parts(keys: Sequence[str], where: str = "") -> str:
    """Return the networks or layers that tensors belong to, with the number of tensors of each, at most eight.

    A part beside the encoder is named with what both are in: the head of ``encoder_q.`` is ``encoder_q.fc``.
    """
    around = where.rpartition(" ")[2].split(".")[:-1]
    counts: Counter[str] = Counter()
    for key in keys:
        names = key.split(".")
        shared = next((i for i, (a, b) in enumerate(zip(names, around, strict=False)) if a != b), len(around))
        counts[".".join(names[: shared + 1])] += 1
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:8])
    return shown + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")


def pack(encoder: Encoder) -> Parts:
    """Return the content of an ``encoder.safetensors``, in parts that share memory with the encoder."""
    spec, long = outlined(encoder.spec)
    return packed(encoder.state_dict() | long, {"selftaught": json.dumps(spec, sort_keys=True)})


def unpack(path: Path, build: Callable[..., Encoder]) -> Encoder:
    """Return the encoder in `path`, rebuilt by `build(**spec)`, in eval mode. Raises UserError when this fails."""
    tensors, spec = _safetensors(path)
    if spec is None:
        raise UserError(f"{path} contains no encoder spec: build an encoder and load the file with load_weights")
    encoder = build(**spec)
    _assign(encoder, tensors, path)
    return encoder.eval()


def load_weights(encoder: Encoder, path: Path, strict: bool = True) -> Report:
    """Copy the tensors of `path` into `encoder`, by name.

    Supported files are our own ``encoder.safetensors``, and safetensors or `torch.save` files of ResNets with
    torchvision's names and ViTs with timm's, from whatever tool: names may have prefixes (``module.encoder_q.``,
    ``backbone.``), the tensors may be in a dictionary (``state_dict``, ``teacher``), and arguments or optimiser states
    beside them. See `encoders.layouts`. No code in the file is executed (`encoders.pickled`). Heads, other networks and
    queues are left aside. Batch counters (``num_batches_tracked``) may be missing. Pretrained weights expect the
    normalisation that they were trained with.

    A first convolution for A channels is adapted to another number of channels C. For C = 1 its weights are summed, so
    that a grey image gives the same output as the same image with equal red, green and blue; for A = 1 they are shared
    alike, with the same effect. For others, channel c gets the weights of channel c mod A, times A / C, which keeps the
    scale of the output. Positions of a ViT
    (``pos_embed``) for another image size are resampled in the same way as in the encoder.

    Args:
        encoder: Changed in place.
        path: The file.
        strict: Raise UserError, without changing the encoder, when a part of the encoder (a stage, the blocks) has
            other tensors in the file, or less than half of the tensors are there. Otherwise report them.

    Raises UserError when the file is missing, damaged or for another architecture.
    """
    content, own = _content(path), encoder.state_dict()
    found = layouts.find(content, own)
    tensors = {} if found is None else found.tensors
    missing = tuple(sorted(own.keys() - tensors.keys()))
    unexpected = tuple(sorted(tensors.keys() - own.keys()))
    theirs = {k: tensors[k] for k in sorted(own.keys() & tensors.keys())}
    started = {key.partition(".")[0] for key in theirs}
    lacking = [k for k in missing if not k.endswith(COUNTER) and k.partition(".")[0] in started]
    half = sum(not k.endswith(COUNTER) for k in own) / 2
    few = sum(not k.endswith(COUNTER) for k in theirs) < half
    name = encoder.spec["name"]
    if not theirs or (strict and (lacking or unexpected or few)):
        differences = f"{_listed('missing', lacking or list(missing))}, {_listed('unexpected', unexpected)}"
        raise UserError(f"{path} does not fit encoder {name}: {differences}")
    adapted, loaded = [], {}
    first = next((key for key, value in own.items() if value.ndim == 4), "")  # sees the channels of the images
    for key, stored in theirs.items():
        try:
            tensor = stored.tensor() if isinstance(stored, Stored) else stored
        except Unreadable as error:
            raise UserError(f"{path} is damaged ({error}): fetch or save it again") from error
        if key == first and tensor.ndim == 4 and tensor.shape[1] != own[key].shape[1]:
            tensor = adapt_channels(tensor, own[key].shape[1])
            adapted.append(key)
        if key == "pos_embed" and tensor.ndim == 3 and tensor.shape[1] != own[key].shape[1]:
            side = round((own[key].shape[1] - 1) ** 0.5)
            tensor = resampled(tensor, (side, side))
            adapted.append(key)
        if tensor.shape != own[key].shape:
            raise UserError(f"{path} does not fit encoder {name}: {_mismatch(key, tensor, own[key])}")
        loaded[key] = tensor
    encoder.load_state_dict({**own, **loaded})
    assert found is not None
    return Report(tuple(loaded), found.aside, missing, unexpected, tuple(adapted), found.where)


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """Adapt a convolution's weight [D, A, k, k] to `channels` input channels, by the rule of `load_weights`."""
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % before] * (before / channels)


def _assign(encoder: Encoder, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(
            f"{path} is damaged: its tensors do not fit the encoder in its spec. Fetch or save the file again"
        ) from error


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    _must_exist(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            spec = json.loads(metadata["selftaught"]) if "selftaught" in metadata else None
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dictionary
            return tensors, None if spec is None else inlined(spec, tensors)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        what = str(error).removeprefix("Error while deserializing header: ")
        raise UserError(
            f"{path} is not a readable safetensors file ({what}): fetch or save it again (for the encoder of a run: "
            "'selftaught resume RUN')"
        ) from error


def _content(path: Path) -> Any:
    """Return what is in a file of weights: tensors by name, or what `pickled.read` returns."""
    _must_exist(path)
    if path.suffix == ".safetensors":
        return _safetensors(path)[0]
    try:
        content = pickled.read(path)
    except Unreadable as error:
        raise UserError(
            f"{path} is no readable file of weights ({error}): save a state_dict with torch.save, or safetensors"
        ) from error
    if not layouts.is_state(content):
        raise UserError(
            f"{path} contains no state_dict (names and tensors): save one with torch.save(model.state_dict(), path)"
        )
    return content


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"weights file {path} does not exist: check the path")


def _listed(what: str, keys: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} tensors {what}" + (f" ({shown})" if keys else "")


def _mismatch(key: str, tensor: Tensor, own: Tensor) -> str:
    if key == "conv1.weight" and tensor.shape[2:] != own.shape[2:]:
        theirs, ours = ("x".join(map(str, t.shape[2:])) for t in (tensor, own))
        return f"its first convolution is {theirs} and the encoder's {ours}, so build the encoder with stem='{theirs}'"
    return f"{key} is {list(tensor.shape)} there and {list(own.shape)} in the encoder"
