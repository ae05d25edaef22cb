"""Weights in and out: our own safetensors with the encoder's spec, and files with torchvision's parameter names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught.encoders.vit import resampled
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.packed import Parts, packed

FIRST = ("conv1.weight", "patch_embed.proj.weight")  # the convolutions that see the image's channels
HEADS = ("fc.", "head.", "classifier.")  # of torchvision and timm: the part that labels trained


@final
@dataclass(frozen=True)
class Report:
    """What `load_weights` did, as sorted tensor names."""

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]
    """The classifier's tensors, which an encoder has no place for."""
    missing: tuple[str, ...]
    """Tensors of the encoder that the file lacks; they keep their values."""
    unexpected: tuple[str, ...]
    """Tensors of the file that the encoder has no place for."""
    adapted: tuple[str, ...]
    """First convolutions that were fitted to another number of input channels, and positions to another number of
    patches."""


def pack(encoder: Encoder) -> Parts:
    """The content of an ``encoder.safetensors``, in pieces that share memory with the encoder."""
    return packed(encoder.state_dict(), {"selftaught": json.dumps(encoder.spec, sort_keys=True)})


def unpack(path: Path, build: Callable[..., Encoder]) -> Encoder:
    """The encoder in `path`, rebuilt by `build(**spec)`, in eval mode.

    Raises UserError, one sentence, when it cannot be.
    """
    tensors, spec = _safetensors(path)
    if spec is None:
        raise UserError(f"{path} has no spec of an encoder inside: build an encoder and load these as its weights")
    encoder = build(**spec)
    _assign(encoder, tensors, path)
    return encoder.eval()


def load_weights(encoder: Encoder, path: Path, strict: bool = True) -> Report:
    """Copy the tensors of `path` into `encoder`, by name.

    Understood are our own ``encoder.safetensors``, torchvision's and timm's ResNets and timm's ViTs as ``.safetensors``
    or as a ``.pth`` of plain tensors (torch's ``weights_only`` reader: nothing in the file is executed; a dictionary
    under "state_dict" or "model" is opened, the prefix "module." dropped). Classifiers ("fc.", "head.", "classifier.")
    are ignored. Counters of batches (``num_batches_tracked``) may be missing, as in torchvision's oldest files.
    Pretrained weights expect the normalisation they were trained with.

    A first convolution for 3 channels is fitted to another number C: for 1 channel its weights are summed, so that a
    grey image gives what the same image gave as equal red, green and blue; for other C channel c takes the weights of
    channel c mod 3, times 3 / C, which keeps the scale of what follows. Positions of a ViT (``pos_embed``) for images
    of another size are resampled as the encoder resamples its own.

    Args:
        encoder: Changed in place.
        path: The file.
        strict: Raise, changing nothing, when a tensor is missing or unexpected; else report them.

    Raises UserError, one sentence, when the file is missing, damaged or holds another architecture.
    """
    tensors = _safetensors(path)[0] if path.suffix == ".safetensors" else _pickled_tensors(path)
    own = encoder.state_dict()
    ignored = tuple(sorted(k for k in tensors if k.startswith(HEADS) and k not in own))
    tensors = {k: v for k, v in tensors.items() if k not in ignored}
    missing = tuple(sorted(own.keys() - tensors.keys()))
    unexpected = tuple(sorted(tensors.keys() - own.keys()))
    loaded = {k: tensors[k] for k in sorted(own.keys() & tensors.keys())}
    lacking = [k for k in missing if not k.endswith("num_batches_tracked")]
    name = encoder.spec["name"]
    if not loaded or (strict and (lacking or unexpected)):
        differences = f"{_listed('missing', lacking)}, {_listed('unexpected', unexpected)}"
        raise UserError(f"{path} does not fit encoder {name}: {differences}")
    adapted = []
    for key, tensor in loaded.items():
        if tensor.ndim == 4 and tensor.shape[1] == 3 != own[key].shape[1] and key in FIRST:
            loaded[key] = tensor = adapt_channels(tensor, own[key].shape[1])
            adapted.append(key)
        if key == "pos_embed" and tensor.ndim == 3 and tensor.shape[1] != own[key].shape[1]:
            side = round((own[key].shape[1] - 1) ** 0.5)
            loaded[key] = tensor = resampled(tensor, (side, side))
            adapted.append(key)
        if tensor.shape != own[key].shape:
            raise UserError(f"{path} does not fit encoder {name}: {_mismatch(key, tensor, own[key])}")
    encoder.load_state_dict({**own, **loaded})
    return Report(tuple(loaded), ignored, missing, unexpected, tuple(adapted))


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """A convolution's weight [D, 3, k, k] for `channels` input channels instead of 3, by the rule of `load_weights`."""
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % 3] * (3 / channels)


def _assign(encoder: Encoder, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path} is damaged: its tensors do not fit the encoder that it describes") from error


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    _must_exist(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            spec = json.loads(metadata["selftaught"]) if "selftaught" in metadata else None
            return {k: file.get_tensor(k) for k in file.keys()}, spec  # noqa: SIM118 - not a dictionary
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise UserError(f"{path} is not a readable safetensors file ({error}): fetch or save it again") from error


def _pickled_tensors(path: Path) -> dict[str, Tensor]:
    _must_exist(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here
        raise UserError(f"{path} is no readable file of plain tensors: save a state_dict, or safetensors") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not (isinstance(content, dict) and content and all(isinstance(v, Tensor) for v in content.values())):
        raise UserError(
            f"{path} holds no state_dict (names and tensors): save one with torch.save(model.state_dict(), path)"
        )
    return {k.removeprefix("module."): v for k, v in content.items()}


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"there is no file {path} to read weights from")


def _listed(what: str, keys: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} tensors {what}" + (f" ({shown})" if keys else "")


def _mismatch(key: str, tensor: Tensor, own: Tensor) -> str:
    if key == "conv1.weight" and tensor.shape[2:] != own.shape[2:]:
        theirs, ours = ("x".join(map(str, t.shape[2:])) for t in (tensor, own))
        return f"its first convolution is {theirs} and the encoder's {ours}, so build the encoder with stem='{theirs}'"
    return f"{key} is {list(tensor.shape)} there and {list(own.shape)} in the encoder"
