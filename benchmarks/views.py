"""Image views on one core, from uint8 pixels or JPEG bytes to normalised float32 tensors.

    python -m benchmarks.views [--quick]     every row
    python -m benchmarks.views methods       only these: peers, resize, plain, colour or methods

peers: two SimCLR views of each image, compared with other libraries. resize: the inner loop of resizing, with vector
and scalar code. plain: the views of evaluation. colour: Lab and quantised colours at 32 px. methods: the views of each
image method for a batch at 32 px with its defaults. The goal of both is 8,000 images per second. The peers do the same
operations with the same probabilities, each in its usual way (albumentations: OpenCV, uint8 between operations, no
antialiasing; torchvision: PIL). The goals, as ratios to albumentations, are 25 at 32 px, 4.9 at 96 px
and 1.7 from JPEG.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy, torch and numba are imported
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import argparse  # noqa: E402
from collections.abc import Callable  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any  # noqa: E402

import albumentations as A  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import simplejpeg  # noqa: E402
import torch  # noqa: E402
from albumentations.pytorch import ToTensorV2  # noqa: E402
from numba import njit  # noqa: E402
from PIL import Image  # noqa: E402
from skimage import data  # noqa: E402
from torch.nn import functional  # noqa: E402

from benchmarks import measure  # noqa: E402
from benchmarks.limits import build, colour_images  # noqa: E402
from selftaught import methods  # noqa: E402
from selftaught.kernels.resize import along_x, join, most_taps, taps  # noqa: E402
from selftaught.parts.colour import lab  # noqa: E402
from selftaught.parts.colour_bins import ColourBins  # noqa: E402
from selftaught.views.colour import ColourViews  # noqa: E402
from selftaught.views.image import Augment, ImageViews, plain  # noqa: E402

torch.set_num_threads(1)
cv2.setNumThreads(0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")
SIMCLR = Augment(crop=(0.08, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, grey=0.2, blur=0.5)


def photographs(n: int, height: int, width: int) -> np.ndarray:
    """Random parts of four photographs, scaled to one size: uint8 [n, height, width, 3]."""
    generator, photos, made = (
        np.random.default_rng(0),
        [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()],
        [],
    )
    for i in range(n):
        photo = photos[i % 4]
        h = int(generator.integers(photo.shape[0] // 3, photo.shape[0] + 1))
        w = min(round(h * width / height), photo.shape[1])
        top, left = (int(generator.integers(0, rest + 1)) for rest in (photo.shape[0] - h, photo.shape[1] - w))
        made.append(np.asarray(Image.fromarray(photo[top : top + h, left : left + w]).resize((width, height))))
    return np.stack(made)


def input_of(side: int) -> dict[str, Any]:
    return {"kind": "image", "size": side, "channels": 3, "mean": MEAN, "std": STD}


def ours(images: list[bytes] | np.ndarray, side: int) -> Callable[[], object]:
    """The complete path of a loader: decode, sample, apply."""
    views = ImageViews(input_of(side), query=SIMCLR, key=SIMCLR)

    def run() -> object:
        raw = [decoded(image) for image in images] if isinstance(images, list) else images
        return views.apply({"image": raw}, views.sample(np.arange(len(images)), 0, 0), CPU)

    return run


def decoded(image: bytes) -> np.ndarray:
    """Decode at full size for all tools, as the folder source does (its scaled decoding cannot give 224 from 375)."""
    return simplejpeg.decode_jpeg(image)


def with_albumentations(images: list[bytes] | np.ndarray, side: int) -> Callable[[], object]:
    transform = A.Compose([
        A.RandomResizedCrop((side, side), scale=(0.08, 1.0)), A.HorizontalFlip(p=0.5),
        A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=0.8), A.ToGray(p=0.2),
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 2.0), p=0.5), A.Normalize(MEAN, STD), ToTensorV2(),
    ])  # fmt: skip

    def run() -> object:
        pairs = []
        for image in images:
            picture = decoded(image) if isinstance(image, bytes) else image
            pairs.append([transform(image=picture)["image"] for _ in range(2)])
        return [torch.stack(view) for view in zip(*pairs, strict=True)]

    return run


def with_torchvision(images: list[bytes] | np.ndarray, side: int) -> Callable[[], object] | None:
    """None if torchvision cannot be imported (its wheels do not work with a CPU build of torch)."""
    try:
        from torchvision import transforms as T
    except (ImportError, RuntimeError):
        return None
    transform = T.Compose([
        T.RandomResizedCrop(side), T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        T.RandomGrayscale(0.2), T.RandomApply([T.GaussianBlur(side // 20 * 2 + 1, (0.1, 2.0))], 0.5), T.ToTensor(),
        T.Normalize(MEAN, STD),
    ])  # fmt: skip

    def run() -> object:
        pictures = [Image.fromarray(decoded(image) if isinstance(image, bytes) else image) for image in images]
        return [torch.stack([transform(picture) for picture in pictures]) for _ in range(2)]

    return run


def compared(what: str, images: list[bytes] | np.ndarray, side: int, goal: float, rounds: int) -> dict[str, Any]:
    """Return rates in source images per second, and how many times slower each peer is."""
    candidates = {"selftaught": ours(images, side), "albumentations": with_albumentations(images, side)}
    torchvision = with_torchvision(images, side)
    if torchvision is not None:
        candidates["torchvision"] = torchvision
    timings = measure.interleaved(candidates, rounds)
    row: dict[str, Any] = {"what": what, "images_per_second": {}, "images_per_cpu_second": {}, "goal": goal}
    for name, timing in timings.items():
        row["images_per_second"][name] = round(len(images) / median(timing.wall))
        row["images_per_cpu_second"][name] = round(len(images) / median(timing.cpu))
        if name != "selftaught":
            row[f"times_{name}"] = measure.ratio(timing, timings["selftaught"])
            row[f"times_{name}_cpu"] = measure.ratio(timing, timings["selftaught"], "cpu")
    return row


@njit(nogil=True)
def vector_along_x(pixels, size, start, weight, count, rows):
    """Three channels of size x size pixels, as the kernel resizes them along x.

    Rows [C, size or up to three more, S].
    """
    words = np.empty(((size + 3) // 4, 3 * size), np.uint32)
    join(pixels, 0, 3 * size, size, words)
    place, found = np.empty(start.size, np.uint64), np.empty((count, start.size), np.uint32)
    for c in range(3):
        along_x(words, 3, c, start, weight, count, place, found, rows[c])


@njit(nogil=True, fastmath=True)
def scalar_along_x(pixels, size, start, weight, count, rows):
    """The scalar version: one pixel, one tap and one channel at a time."""
    for y in range(size):
        for x in range(rows.shape[2]):
            first = 3 * (y * size + start[x])
            for c in range(3):
                rows[c, y, x] = weight[0, x] * np.float32(pixels[first + c])
            for k in range(1, count):
                for c in range(3):
                    rows[c, y, x] += weight[k, x] * np.float32(pixels[first + 3 * k + c])


def vectorised(size: int, side: int, rounds: int) -> dict[str, Any]:
    """Time the resize along x alone, from size x size pixels to a width of `side`, with scalar and vector code."""
    pixels = photographs(1, size, size).reshape(-1)
    pixels.flags.writeable = False
    start, weight = np.empty(side, np.int64), np.empty((most_taps(size, side), side), np.float32)
    count = taps(size, side, 0, False, 1.0, start, weight)
    before, after = np.empty((2, 3, (size + 3) // 4 * 4, side), np.float32)
    repeats = max(1, 4_000_000 // (size * side))

    def candidate(resize: Callable[..., None], rows: np.ndarray) -> Callable[[], None]:
        return lambda: [resize(pixels, size, start, weight, count, rows) for _ in range(repeats)]

    timings = measure.interleaved(
        {"scalar": candidate(scalar_along_x, before), "vector": candidate(vector_along_x, after)}, rounds
    )
    assert np.allclose(before[:, :size], after[:, :size], atol=1e-3)
    each = {name: round(median(timing.cpu) / repeats * 1e6, 2) for name, timing in timings.items()}
    return {
        "what": f"resize along x, {size} to {side} px, {count} taps", "microseconds": each,
        "times_scalar": measure.ratio(timings["scalar"], timings["vector"], "cpu"),
    }  # fmt: skip


def untouched(rounds: int) -> dict[str, Any]:
    """Plain views at the images' own size, as in the evaluation of a small data set, compared with plain torch."""
    images = np.random.default_rng(0).integers(0, 256, (2048, 32, 32, 3), np.uint8)
    views = plain(input_of(32))
    params = views.sample(np.arange(len(images)), 0, 0)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def in_torch() -> torch.Tensor:
        return ((torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std).contiguous()

    timings = measure.interleaved(
        {"selftaught": lambda: views.apply({"image": images}, params, CPU), "torch": in_torch}, rounds
    )
    return {
        "what": "plain views, 32 px to 32 px",
        "images_per_second": {name: round(len(images) / median(timing.wall)) for name, timing in timings.items()},
        "times_torch": measure.ratio(timings["torch"], timings["selftaught"]),
    }


def coloured(rounds: int) -> dict[str, Any]:
    """A random crop in Lab, with the five nearest bins of its colours at 8 x 8 positions, compared with plain torch."""
    images, index = np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8), np.arange(256)
    bins = ColourBins()
    crop = Augment(crop=(0.6, 1.0), flip=0.5)
    views, plainly = ColourViews(input_of(32), "Lab", crop, bins, 8), ImageViews(input_of(32), image=crop)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def in_torch() -> object:
        image = plainly.apply({"image": images}, plainly.sample(index, 0, 0), CPU)["image"]
        return bins.encode(functional.adaptive_avg_pool2d(lab((image * std + mean).clamp(0, 1))[:, 1:], 8))

    timings = measure.interleaved(
        {"selftaught": lambda: views.apply({"image": images}, views.sample(index, 0, 0), CPU), "torch": in_torch},
        rounds,
    )
    return {
        "what": "Lab and quantised ab, 32 px",
        "images_per_second": {name: round(len(images) / median(timing.wall)) for name, timing in timings.items()},
        "times_torch": measure.ratio(timings["torch"], timings["selftaught"]),
        "goal": 8000,
    }


def of_method(name: str, rounds: int) -> dict[str, Any]:
    """One method's views, sampled and applied, as `fit` makes them from a batch."""
    source = colour_images()
    method = build(name, source)
    bound, views = method.views.bind(source), method.views
    index = np.arange(min(256, len(bound)))
    timing = measure.interleaved(
        {name: lambda: views.apply(bound.fetch(index), views.sample(index, 0, 0), CPU)}, rounds
    )[name]
    return {
        "what": f"views of {name}, 32 px",
        "images_per_second": {"selftaught": round(len(index) / median(timing.wall))},
        "goal": 8000,
    }


def with_peers(rounds: int, part: int) -> list[dict[str, Any]]:
    """Small images, larger ones, and JPEG files; a `part`-th of their number."""
    jpegs = [simplejpeg.encode_jpeg(photo, quality=90) for photo in photographs(64 // part, 375, 500)]
    return [
        compared("two views, 32 px to 32 px", photographs(512 // part, 32, 32), 32, 25, rounds),
        compared("two views, 96 px to 96 px", photographs(256 // part, 96, 96), 96, 4.9, rounds),
        compared("two views, JPEG 500x375 to 224 px", jpegs, 224, 1.7, rounds),
    ]


KINDS: dict[str, Callable[[int, int], list[dict[str, Any]]]] = {
    "peers": with_peers,
    "resize": lambda rounds, _: [vectorised(size, side, rounds) for size, side in ((24, 32), (72, 96), (300, 224))],
    "plain": lambda rounds, _: [untouched(rounds)],
    "colour": lambda rounds, _: [coloured(rounds)],
    "methods": lambda rounds, _: [of_method(name, rounds) for name in methods.names("image")],
}
"""Rows by group: each is measured over a number of rounds on a part of the images."""


def main() -> None:
    """Print the rows and write them to benchmarks/results/views.json, where they replace older ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer images")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; by default all")
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - set(KINDS):
        parser.error(f"there are no rows of {', '.join(sorted(unknown))}: choose from {', '.join(KINDS)}")
    rounds, part = (3, 4) if asked.quick else (9, 1)
    rows = [row for kind, made in KINDS.items() if kind in asked.kinds or not asked.kinds for row in made(rounds, part)]
    old = {row["what"]: row for row in measure.saved("views").get("rows", [])}
    for row in rows:
        print(f"\n{row['what']}")
        for name, rate in row.get("images_per_second", {}).items():
            cpu = row.get("images_per_cpu_second", {}).get(name)
            print(f"  {name:16} {rate:8,} images/s" + (f"   {cpu:8,} per CPU second" if cpu else ""))
        for name in (name for name in row if name.startswith("times_")):
            goal = f"   goal {row['goal']}" if name == "times_albumentations" else ""
            print(f"  {name:24} {row[name]['median']:6.2f}  ({row[name]['low']:.2f} to {row[name]['high']:.2f}){goal}")
    print(
        f"\n{measure.save('views', list((old | {row['what']: row for row in rows}).values()), threads=1).name} written"
    )


if __name__ == "__main__":
    main()
