"""The kind "image": images of any size, in colour, grey, or with any number of channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np

from selftaught.data import channels, hub
from selftaught.data.folders import LOOKED_AT
from selftaught.data.image.axes import axes
from selftaught.data.image.columns import is_image
from selftaught.data.image.pairs import are_parts, is_images, parts_of
from selftaught.data.image.reading import Reading
from selftaught.data.numpy_arrays import headers
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source, evenly

LARGEST_SIDE = 96
"""Images of one size up to this many pixels keep their size. All others are resized to it unless `size` is given."""
COLOUR = 3
"""Channels of images in colour."""
SAMPLES = 2048
"""Number of samples from which the mean and the standard deviation of each channel are estimated."""


@final
class Image(Kind):
    """Images, uint8 [H, W, C].

    Args:
        size: Height and width of the encoder's input in pixels. By default the size of the images, at most 96.
        image_column: The column of images, in Parquet, Arrow, .csv and Hugging Face data sets.
        label_column: The column of labels there, or the key in the .json files of shards. By default one with a usual
            name, if it has classes.
        range: Values that become black and white where pixels have more than 8 bits: BLACK..WHITE such as 0..4095 (or
            one such pair for each channel), "type" for the whole range of the type, or "auto", decided by the data.
        bands: Bands that are kept, numbered from 1: 4,3,2. "all" keeps transparency too; "auto" is what the file's tags
            say.
        pages: Of files with several pages or frames: "first", "all" (each is a sample), "channels" (each is a channel),
            or the number of a page from 1.
        channel_axis: The axis of arrays that has the channels: "first", "last", or "auto", decided by the shape.
    """

    samples = "images"
    network = "conv"

    def __init__(
        self,
        size: int | None = None,
        image_column: str | None = None,
        label_column: str | None = None,
        range: str | tuple[float, ...] = "auto",
        bands: str | int | tuple[int, ...] = "auto",
        pages: str | int = "first",
        channel_axis: Literal["auto", "first", "last"] = "auto",
    ) -> None:
        if size is not None and size < 1:
            raise UserError(f"size must be at least 1, not {size}")
        self.size, self.image_column, self.label_column = size, image_column, label_column
        self.pixels = Reading.of(range, bands, pages, channel_axis)
        self._channels: int | None = None  # of a trained encoder

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept arrays of images; lists of arrays, images or pairs with a label; folders and files of images."""
        if isinstance(data, str | Path):
            return _holds_pictures(expanded(data))
        if hub.is_hub(data):
            return any(is_image(feature) for feature in hub.features(data).values())
        if hasattr(data, "__array__"):
            return axes(data) in (3, 4)
        if are_parts(data):
            return _are_images(data)
        first: Any = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and len(data) else None
        first = first[0] if isinstance(first, tuple | list) and len(first) == 2 else first
        return isinstance(first, bytes) or axes(first) in (2, 3) or type(first).__module__.startswith("PIL.")

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `data.image.opening.open_images`."""
        from selftaught.data.image.colour import Coloured, is_grey
        from selftaught.data.image.opening import open_images

        source = open_images(
            data,
            split,
            limit,
            seed=self.seed,
            labels=labels,
            groups=self.groups,
            size=self.size,
            image_column=self.image_column,
            label_column=self.label_column,
            progress=progress,
            reading=self.pixels,
        )
        if self._channels == COLOUR and is_grey(source):
            source = Coloured(source)
            source.notes = (*source.notes, "the images are grey, and the encoder sees them as colour images")
        return source

    def resolved(self, source: Source) -> dict[str, Any]:
        """Return the options by which pixels were read, with the range that the data decided."""
        return dict(source.traits.get("reading", {}))

    def input(self, source: Source) -> dict[str, Any]:
        """Return the side in pixels, the channels, and the mean and deviation of each channel (full brightness = 1).

        "reading" has the options by which the pixels were read, where they are not the defaults.
        """
        known = source.traits.get("size")
        size = self.size
        if size is None:
            size = min(known) if known is not None and max(known) <= LARGEST_SIDE else LARGEST_SIDE
        mean, std = channel_statistics(source)
        read = {"reading": dict(source.traits["reading"])} if source.traits.get("reading") else {}
        return {"kind": self.name(), "size": int(size), "channels": len(mean), "mean": mean, "std": std, **read}

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options by which the pixels of the encoder's images were read, but no size: the views resize.

        Grey images become colour ones where the encoder takes these.
        """
        columns = {key: options[key] for key in ("image_column", "label_column") if key in options}
        kind = cls(**columns, **input.get("reading", {}))
        kind._channels = input["channels"]
        return kind

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Raises UserError if the images have a different number of channels from the encoder's input."""
        channels.fit(input, source, where, "images", ": convert them")

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return samples, size, channels, samples per class and fingerprint."""
        known = source.labels[source.labels >= 0]
        return {
            "samples": len(source), "image_size": source.traits.get("size"), "channels": source.traits.get("channels"),
            "per_class": {c: int((known == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }  # fmt: skip


def channel_statistics(source: Source) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, in [0, 1], over evenly spaced images with equal weight."""
    index = evenly(len(source), SAMPLES)
    parts = np.array_split(index, -(-len(index) // 128))
    return channels.statistics(image for part in parts for image in source.fetch(part)["image"])


def _are_images(data: Any) -> bool:
    """Whether the parts of a tuple or a dict hold images."""
    try:
        parts = parts_of(data).parts.values()
    except UserError:
        return False
    return all(is_images(images) or (hub.is_hub(images) and Image.accepts(images)) for images, _ in parts)


def _holds_pictures(path: Path) -> bool:
    from selftaught.data import tables
    from selftaught.data.image import idx, listed, names, table, tar

    try:
        if path.is_dir():
            files = islice((file for file in path.rglob("*") if file.is_file()), LOOKED_AT)
            return any(names.is_named(file.name) or _holds_pictures(file) for file in files)
        if tables.is_table(path):
            return table.holds_images(path)
        if path.suffix.lower() == tar.SUFFIX:
            return tar.holds_images(tar.expanded(str(path))[0])
        if path.suffix.lower() in listed.SUFFIXES:
            return listed.lists_images(path)
        if path.suffix.lower() in (".npy", ".npz"):
            return path.is_file() and _may_hold_images(path)
        return path.is_file() and idx.is_idx(path)
    except OSError:
        return False


def _may_hold_images(path: Path) -> bool:
    """Return whether an array in the file has the axes of images; True if it cannot be read: reading says why."""
    found = headers(path)
    return not found or any(len(shape) in (3, 4) for shape, _ in found.values())
