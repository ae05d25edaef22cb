"""Save and load weights: our own safetensors with the encoder's spec, and files with torchvision's or timm's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught.encoders.spec import inlined, outlined
from selftaught.encoders.vit import resampled
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.packed import Parts, packed

FIRST = ("conv1.weight", "patch_embed.proj.weight")  # the first convolutions, which depend on the number of channels
HEADS = ("fc.", "head.", "classifier.")  # the classifiers of torchvision and timm


@final
@dataclass(frozen=True)
class Report:
    """What `load_weights` did, as sorted tensor names."""

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]
    """Tensors of the classifier, which are ignored."""
    missing: tuple[str, ...]
    """Tensors of the encoder that are not in the file. They keep their values."""
    unexpected: tuple[str, ...]
    """Tensors of the file that are not in the encoder."""
    adapted: tuple[str, ...]
    """First convolutions adapted to another number of channels, and positions adapted to another number of patches."""


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

    Supported files are our own ``encoder.safetensors``, and torchvision's and timm's ResNets and timm's ViTs as
    ``.safetensors`` or as a ``.pth`` of plain tensors (read with torch's ``weights_only``, so no code in the file is
    executed; a dictionary under "state_dict" or "model" is used, and the prefix "module." removed). Classifiers ("fc.",
    "head.", "classifier.") are ignored. Batch counters (``num_batches_tracked``) may be missing, as in torchvision's
    oldest files. Pretrained weights expect the normalisation that they were trained with.

    A first convolution for 3 channels is adapted to another number of channels C. For 1 channel its weights are summed,
    so that a grey image gives the same output as the same image with equal red, green and blue. For other C, channel c
    gets the weights of channel c mod 3, times 3 / C, which keeps the scale of the output. Positions of a ViT
    (``pos_embed``) for another image size are resampled in the same way as in the encoder.

    Args:
        encoder: Changed in place.
        path: The file.
        strict: Raise UserError, without changing the encoder, when a tensor is missing or unexpected. Otherwise report
            them.

    Raises UserError when the file is missing, damaged or for another architecture.
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
    """Adapt a convolution's weight [D, 3, k, k] to `channels` input channels, by the rule of `load_weights`."""
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % 3] * (3 / channels)


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


def _pickled_tensors(path: Path) -> dict[str, Tensor]:
    _must_exist(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here
        raise UserError(f"{path} is no readable file of plain tensors: save a state_dict or safetensors") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not (isinstance(content, dict) and content and all(isinstance(v, Tensor) for v in content.values())):
        raise UserError(
            f"{path} contains no state_dict (names and tensors): save one with torch.save(model.state_dict(), path)"
        )
    return {k.removeprefix("module."): v for k, v in content.items()}


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
