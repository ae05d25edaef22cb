"""Views of images: `Augment`s sampled by (seed, epoch, index, view), applied by one fused kernel or by plain torch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, final

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.kernels import image as kernel
from selftaught.kernels import start_threads
from selftaught.method import Batch, Encoder, Index, Params, Raw, Views
from selftaught.parts.shown import Pictures
from selftaught.views import batched
from selftaught.views.augmentation import LOOK, Augment, boxes, sample

__all__ = ["Augment", "ImageViews", "apply_torch", "augment", "crop", "denormalise", "halves", "plain", "raw", "show"]

log = logging.getLogger("selftaught.views")
RAW = "the pixels themselves"
Images = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]

_LAUNCH = threading.Lock()  # not all of numba's threading layers support launches from two threads at once
# bytes of differently sized images that are joined per thread in one launch, to fit the last-level cache
_CHUNK = 4 << 20


@final
class ImageViews(Views):
    """Named views of uint8 images, each a float32 tensor [B, C, S, S], normalised as the encoder expects.

    ``ImageViews(encoder.spec["input"], query=Augment(...), key=Augment(...))`` returns ``{"query": ..., "key": ...}``.
    Several `Augment`s under one name give a list of tensors. If a view chooses from several turns, ``NAME_turn``
    contains the choices, int64 [B] (or a list of them). "label" and "index" pass through.

    Args:
        input: ``{"kind": "image", "size": S, "channels": C, "mean": [C], "std": [C]}``; mean and std of pixels in [0,
            1].
        views: One `Augment`, or several, for each output.

    >>> import numpy as np, torch
    >>> input = {"kind": "image", "size": 4, "channels": 1, "mean": [0.0], "std": [1.0]}
    >>> views = ImageViews(input, query=Augment(), key=Augment(crop=(0.5, 1.0), flip=0.5))
    >>> batch = {"image": np.zeros((2, 8, 8, 1), np.uint8), "index": np.arange(2)}
    >>> tensors = views.apply(batch, views.sample(batch["index"], epoch=0, seed=0), torch.device("cpu"))
    >>> tensors["query"].shape, tensors["key"].shape
    (torch.Size([2, 1, 4, 4]), torch.Size([2, 1, 4, 4]))
    """

    def __init__(self, input: Mapping[str, Any], **views: Augment | Sequence[Augment]) -> None:
        """Raises UserError when the encoder's input is not an image."""
        if input.get("kind", "image") != "image":
            raise UserError(f"image views need an encoder of images, but this encoder takes '{input['kind']}'")
        self.input = dict(input)
        self.names = {name: isinstance(view, Augment) for name, view in views.items()}  # True: a tensor, False: a list
        self.augments = [a for view in views.values() for a in ([view] if isinstance(view, Augment) else view)]
        self.outputs = [n for n, view in views.items() for _ in ([view] if isinstance(view, Augment) else view)]
        self.sides = [a.size or int(input["size"]) for a in self.augments]
        self.colour = _colour(input)
        if int(input["channels"]) not in (1, 3) and any(map(_changes_colour, self.augments)):
            _say_colourless(int(input["channels"]))

    def unused(self) -> dict[str, str]:
        """See `Views.unused`. Only colours can be turned or taken away."""
        channels = int(self.input["channels"])
        if channels == 3:
            return {}
        had = f"because the images have {channels} channel{'s' * (channels != 1)}, not 3: remove it"
        return {name: f"{name} has no effect, {had}" for name in ("grey", "hue")}

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return arrays [B, V, ...]; see `augmentation.sample`."""
        return sample(self.augments, index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`, computed by the fused kernel on a CPU and by torch on other devices."""
        if torch.device(device).type == "cpu":
            return self.batch(_apply_fused(self, raw["image"], params), raw, params, device)
        return apply_torch(self, raw, params, device)

    def batch(self, tensors: Sequence[Tensor], raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return one tensor per view, under the views' names, with the turns, labels and indices."""
        batch: Batch = {}
        for v, (name, augment) in enumerate(zip(self.outputs, self.augments, strict=True)):
            parts = {name: tensors[v]}
            if len(augment.turns) > 1:
                parts[f"{name}_turn"] = torch.from_numpy(params["turn"][:, v].copy()).to(device)
            for key, tensor in parts.items():
                if self.names[name]:
                    batch[key] = tensor
                else:
                    batch.setdefault(key, []).append(tensor)
        for key in ("label", "index"):
            if key in raw:
                batch[key] = torch.as_tensor(raw[key]).to(device)
        return batch


def plain(input: Mapping[str, Any]) -> ImageViews:
    """Return the view "image" without augmentation: shorter side resized, centre crop, normalised."""
    return ImageViews(input, image=Augment())


def raw(input: Mapping[str, Any]) -> ImageViews:
    """Return the views that give the pixels, the same as `plain`."""
    return plain(input)


def augment(input: Mapping[str, Any]) -> ImageViews:
    """Return two random views, "first" and "second", as in SimCLR at half strength.

    A crop of at least a fifth of the area, horizontal flip, colour jitter, greyscale (Chen et al. 2020, arXiv
    2002.05709).
    """
    view = Augment(crop=(0.2, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, grey=0.2)
    return ImageViews(input, first=view, second=view)


@final
class HalfViews(Views):
    """Views "first" and "second": the left and the right half of one random crop, the other half in the mean colour.

    The image keeps its size, so that any encoder takes it: [B, C, S, S] each.
    """

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.whole = ImageViews(input, image=Augment(crop=(0.5, 1.0), flip=0.5))

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.whole.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the crop."""
        return self.whole.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the halves on `device`. "label" and "index" pass through."""
        batch = self.whole.apply(raw, params, device)
        image = batch.pop("image")
        left = torch.arange(image.shape[3], device=device) < image.shape[3] // 2  # [S]
        return {"first": image * left, "second": image * ~left, **batch}


def halves(input: Mapping[str, Any]) -> HalfViews:
    """Return the views "first" and "second": the left and the right half of a random crop."""
    return HalfViews(input)


def crop(encoder: Encoder) -> ImageViews:
    """Return the view "image": a random crop of at least a fifth of the area, mirrored or not, in its own colours."""
    return ImageViews(encoder.spec["input"], image=Augment(crop=(0.2, 1.0), flip=0.5))


def show(name: str, values: Any, input: Mapping[str, Any]) -> Pictures | None:
    """Return pictures of raw images, uint8 [H, W, C] each, or of a view's float [B, C, H, W], denormalised.

    Returns None for other values.
    """
    if isinstance(values, Tensor):
        fits = values.ndim == 4 and values.shape[1] == len(input["mean"])
        return Pictures(name, list(denormalise(values, input))) if fits else None
    whole = all(isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 for image in values)
    return Pictures(name, list(values)) if whole else None


def denormalise(tensor: Tensor, input: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Convert a view's float [B, C, H, W] to pictures, uint8 [B, H, W, C]."""
    mean, std = (torch.tensor(input[key], dtype=torch.float32).view(1, -1, 1, 1) for key in ("mean", "std"))
    pixels = (tensor.detach().float().cpu() * std + mean).clamp(0, 1) * 255
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def _changes_colour(augment: Augment) -> bool:
    return augment.grey > 0 or (augment.jitter is not None and max(augment.jitter[2:]) > 0)


@cache
def _say_colourless(channels: int) -> None:
    """Say so once for each process, because a method makes several views."""
    log.warning(
        "images of %d channels: random views leave out saturation, hue and greyscale; brightness and contrast change "
        "all channels alike",
        channels,
    )


def _sizes(images: Images, channels: int) -> NDArray[np.int64]:
    """Return height and width of each image, int64 [B, 2]. Raises UserError for images that the encoder cannot take."""
    many = images if isinstance(images, Sequence) else images[:1]
    if any(image.dtype != np.uint8 for image in many):
        raise UserError("image views take uint8 pixels: convert the images to 0..255 first")
    shapes = {image.shape for image in many if image.ndim != 3 or image.shape[2] != channels or 0 in image.shape}
    if shapes:
        found = " x ".join(map(str, min(shapes)))
        raise UserError(f"the encoder takes images of shape height x width x {channels} channels, not {found}")
    if isinstance(images, Sequence):
        return np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)
    return np.tile(np.array(images.shape[1:3], np.int64), (len(images), 1))


def _colour(input: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the weight of each channel in the grey value, and the scale and shift of the normalisation.

    All are float32 [C].
    """
    channels = int(input["channels"])
    luma = [kernel.RED, kernel.GREEN, kernel.BLUE] if channels == 3 else [1 / channels] * channels
    mean, std = np.asarray(input["mean"], np.float64), np.asarray(input["std"], np.float64)
    return np.array(luma, np.float32), (1 / std).astype(np.float32), (-mean / std).astype(np.float32)


def _by_side(sides: list[int]) -> dict[int, list[int]]:
    """Return the views of each size."""
    return {side: [v for v, s in enumerate(sides) if s == side] for side in dict.fromkeys(sides)}


def _chunks(images: Images, most: int) -> Iterator[tuple[int, int]]:
    """Return parts of the batch that are joined for one launch: the whole array, or at most `most` bytes of a list."""
    begin, held = 0, 0
    if isinstance(images, Sequence):
        for end, image in enumerate(images):
            if held + image.nbytes > most and end > begin:
                yield begin, end
                begin, held = end, 0
            held += image.nbytes
    if begin < len(images):
        yield begin, len(images)


def _bytes(images: Images) -> NDArray[np.uint8]:
    """Return the bytes of all images one after the other.

    Read-only, as the bytes of a memory map are, so that the kernel is compiled for one type only.
    """
    parts = [image.reshape(-1) for image in images] if isinstance(images, Sequence) else [images.reshape(-1)]
    joined = np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0]).view()
    joined.flags.writeable = False
    return joined


def _apply_fused(views: ImageViews, images: Images, params: Params) -> list[Tensor]:
    channels = int(views.input["channels"])
    sizes = _sizes(images, channels)
    width = np.ascontiguousarray(sizes[:, 1])
    start_threads()
    tasks = min(numba.get_num_threads(), torch.get_num_threads())
    tensors: list[Tensor] = [torch.empty(0)] * len(views.sides)
    for side in dict.fromkeys(views.sides):
        members = [v for v, s in enumerate(views.sides) if s == side]
        # allocated by numpy, which uses huge pages: from JPEG to 224 px, page faults on torch's small
        # pages took a fifth of the time
        out = np.empty((len(members), len(sizes), channels, side, side), np.float32)
        box = np.stack([boxes(views.augments[v], params, v, sizes, side) for v in members], axis=1)  # [B, V, 8]
        look = [
            np.ascontiguousarray(params[name] if len(members) == len(views.sides) else params[name][:, members])
            for name in LOOK
        ]
        for begin, end in _chunks(images, _CHUNK * tasks):
            ends = np.cumsum(sizes[begin:end].prod(axis=1) * channels)
            first = np.concatenate([[0], ends[:-1]])
            pixels = _bytes(images[begin:end])
            with _LAUNCH:
                kernel.views(pixels, first, width, begin, box, *look, *views.colour, tasks, out)
        for v, view in zip(members, out, strict=True):
            tensors[v] = torch.from_numpy(view)
    return tensors


def apply_torch(views: ImageViews, raw: Raw, params: Params, device: torch.device) -> Batch:
    """Return what ``views.apply`` returns, computed by plain torch on any device. Both agree within 1e-4."""
    images = raw["image"]
    sizes = _sizes(images, int(views.input["channels"]))
    luma, scale, shift = (torch.from_numpy(a).to(device) for a in views.colour)
    parts: list[list[Tensor]] = [[] for _ in views.augments]
    for begin, end in _chunks(images, 8 * _CHUNK):
        pixels = batched.upload(images[begin:end], device)  # [B, C, H, W]
        for v, (augment, side) in enumerate(zip(views.augments, views.sides, strict=True)):
            box = torch.from_numpy(boxes(augment, params, v, sizes, side)[begin:end]).to(device)
            look = {name: params[name][begin:end, v] for name in LOOK}
            view = batched.render(pixels, box, look, luma, side)
            parts[v].append(view * scale[:, None, None] + shift[:, None, None])
    return views.batch([torch.cat(part) for part in parts], raw, params, device)
