"""Train one method of another library, for `benchmarks.peers`. Runs in an environment that has lightly and solo-learn.

    python -m benchmarks.peers_process '{"tool": "lightly", "method": "simclr", ...}'

The last line that it prints has the steps, the seconds and the images per second; the encoder is saved in "out". Views,
heads, loss, momentum and queue are the library's own; the encoder, its first weights, batches and optimiser are shared.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import sys
import sysconfig
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from selftaught import encoders, optimizer
from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.method import Player, Source
from selftaught.recipe import Recipe

HIDDEN, DIM, QUEUE = 512, 128, 4096
"""Width and outputs of every head, and the length of every queue: ours, lightly's for CIFAR-10, and those that fit."""
WORKERS, TRIED, TIMED = (0, 1, 2), 9, 4
"""Numbers of worker processes to try, steps of each trial, and how many of them, the last ones, are timed."""
STUBS = ("nms", "qnms")
"""Operators that torchvision describes at its import. Binaries define them only beside their own build of torch."""

Step = Callable[[list[Tensor], float], Tensor]
"""Maps the views of a batch and the progress in [0, 1] to the loss."""


def views_of(tool: str, method: str, seen: dict[str, Any]) -> Callable[[Any], Any]:
    """Return what makes the views of a PIL image: the library's recipe for CIFAR-10."""
    import_torchvision()
    if tool == "solo-learn":
        import_solo()
        from solo.utils.pretrain_dataloader import CifarTransform, FullTransformPipeline, NCropAugmentation

        strong = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2, "gaussian_prob": 0.5}
        weak = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "gaussian_prob": 0.0}
        other = weak | {"saturation": 0.2}
        looks = {"simclr": (strong, strong), "moco": (weak, weak), "byol": (other, {**other, "solarization_prob": 0.2})}
        return FullTransformPipeline([NCropAugmentation(CifarTransform(**look), 1) for look in looks[method]])
    from lightly.transforms import BYOLTransform, BYOLView1Transform, BYOLView2Transform, SimCLRTransform

    given = {"input_size": seen["size"], "gaussian_blur": 0.0, "normalize": {k: seen[k] for k in ("mean", "std")}}
    if method != "byol":  # its benchmark on CIFAR-10 has the same views for moco
        return SimCLRTransform(cj_strength=0.5, **given)
    return BYOLTransform(BYOLView1Transform(**given), BYOLView2Transform(**given))


@final
class Lightly(nn.Module):
    """A method as lightly's benchmark on CIFAR-10 composes it."""

    def __init__(self, method: str, encoder: nn.Module, width: int) -> None:
        super().__init__()
        from lightly.loss import NegativeCosineSimilarity, NTXentLoss
        from lightly.models.modules import heads

        made = {
            "simclr": heads.SimCLRProjectionHead,
            "moco": heads.MoCoProjectionHead,
            "byol": heads.BYOLProjectionHead,
        }
        self.encoder, self.head = encoder, made[method](width, HIDDEN, DIM)
        self.slow = copy.deepcopy(nn.ModuleList([encoder, self.head])).requires_grad_(False)
        self.method = method
        if method == "byol":
            self.predictor, self.criterion = heads.BYOLPredictionHead(DIM, HIDDEN, DIM), NegativeCosineSimilarity()
        elif method == "moco":
            self.criterion = NTXentLoss(temperature=0.1, memory_bank_size=(QUEUE, DIM))
        else:
            self.criterion = NTXentLoss()

    def forward(self, views: list[Tensor], progress: float) -> Tensor:
        """Return the loss, after the momentum network has followed."""
        from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum

        one, other = views
        if self.method == "simclr":
            return self.criterion(self.head(self.encoder(one)), self.head(self.encoder(other)))
        update_momentum(self.encoder, self.slow[0], 0.99)
        update_momentum(self.head, self.slow[1], 0.99)
        losses = []
        for query, key in ((one, other), (other, one)):
            q = self.head(self.encoder(query))
            with torch.no_grad():
                key, order = batch_shuffle(key) if self.method == "moco" else (key, None)
                k = self.slow[1](self.slow[0](key))
                k = k if order is None else batch_unshuffle(k, order)
            losses.append(self.criterion(self.predictor(q) if self.method == "byol" else q, k))
        return 0.5 * (losses[0] + losses[1])


@final
class SoloLearn(nn.Module):
    """A method as solo-learn's class of it computes a step, without the loop around it, which cannot be installed."""

    def __init__(self, method: str, encoder: nn.Module, width: int) -> None:
        super().__init__()
        import_solo()
        from solo.utils.momentum import MomentumUpdater

        def head(inputs: int, norm: bool) -> nn.Sequential:
            middle = [nn.BatchNorm1d(HIDDEN)] if norm else []
            return nn.Sequential(nn.Linear(inputs, HIDDEN), *middle, nn.ReLU(), nn.Linear(HIDDEN, DIM))

        self.encoder, self.head, self.method = encoder, head(width, method == "byol"), method
        self.predictor = head(DIM, True) if method == "byol" else None
        self.slow = copy.deepcopy(nn.ModuleList([encoder, self.head])).requires_grad_(False)
        self.follow = MomentumUpdater(0.99, 0.999 if method == "moco" else 1.0)
        self.register_buffer("queue", nn.functional.normalize(torch.randn(2, DIM, QUEUE), dim=1))
        self.place = 0

    def forward(self, views: list[Tensor], progress: float) -> Tensor:
        """Return the loss, after the momentum network has followed."""
        from solo.losses.byol import byol_loss_func
        from solo.losses.moco import moco_loss_func
        from solo.losses.simclr import simclr_loss_func

        z = [self.head(self.encoder(view)) for view in views]
        if self.method == "simclr":
            return simclr_loss_func(*z, temperature=0.2)
        with torch.no_grad():
            k = [self.slow[1](self.slow[0](view)) for view in views]
        if self.method == "byol":
            assert self.predictor is not None
            loss = byol_loss_func(self.predictor(z[0]), k[1]) + byol_loss_func(self.predictor(z[1]), k[0])
        else:
            z, k = [nn.functional.normalize(x, dim=-1) for x in z], [nn.functional.normalize(x, dim=-1) for x in k]
            queue = self.queue.clone().detach()
            loss = (moco_loss_func(z[0], k[1], queue[1], 0.2) + moco_loss_func(z[1], k[0], queue[0], 0.2)) / 2
            self.queue[:, :, self.place : self.place + len(k[0])] = torch.stack(k).permute(0, 2, 1)
            self.place = (self.place + len(k[0])) % QUEUE
        self.follow.update_tau(round(1e6 * progress), 10**6)
        for fast, slow in zip((self.encoder, self.head), self.slow, strict=True):
            self.follow.update(fast, slow)
        return loss


TOOLS: dict[str, Callable[..., nn.Module]] = {"lightly": Lightly, "solo-learn": SoloLearn}


def import_torchvision() -> None:
    """Import torchvision, whose Python parts alone are used here, beside any build of torch."""
    try:
        import torchvision
    except RuntimeError:
        for name in STUBS:
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision  # noqa: F401


def import_solo() -> None:
    """Let the files of solo-learn be imported one by one: the package itself imports a loop that is not installed."""
    root = Path(sysconfig.get_paths()["purelib"]) / "solo"
    for name, path in (("solo", root), ("solo.utils", root / "utils")):
        package = sys.modules.setdefault(name, types.ModuleType(name))
        package.__path__ = [str(path)]


@final
class Pictures:
    """A data set for torch: decoded PIL images with the views that a library makes of them."""

    def __init__(self, source: Source, views: Callable[[Any], Any]) -> None:
        from PIL import Image as Pillow

        raw = source.fetch(np.arange(len(source)))["image"]
        self.pictures, self.views = [Pillow.fromarray(image) for image in raw], views

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> list[Tensor]:
        return list(self.views(self.pictures[index]))


def batches(data: Pictures, batch: int, workers: int, seed: int) -> Iterator[list[Tensor]]:
    """Yield batches of views, epoch after epoch."""
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(
        data, batch, shuffle=True, drop_last=True, num_workers=workers, generator=generator,
        persistent_workers=workers > 0,
    )  # fmt: skip
    return itertools.chain.from_iterable(itertools.repeat(loader))


def recipe(task: dict[str, Any]) -> Recipe:
    """Return the optimiser: that of our methods, or lightly's for CIFAR-10 with its rate for this batch."""
    if task["optimizer"] == "sgd":
        rate = 0.06 * task["batch"] / 128
        return Recipe(optimizer="sgd", lr=rate, momentum=0.9, weight_decay=5e-4, decay_norm_and_bias=True, warmup=0.0)
    return Recipe(optimizer="adamw", lr=2e-3)


def trained(task: dict[str, Any], data: Pictures, seen: dict[str, Any], **length: Any) -> dict[str, Any]:
    """Train until `seconds` or `steps` are over. Returns the encoder, and the seconds at which each step ended."""
    torch.manual_seed(task["seed"])
    random.seed(task["seed"])  # some views of the libraries draw from it
    encoder = encoders.build(task["encoder"], seen)
    model = TOOLS[task["tool"]](task["method"], encoder, encoder.dim).train()
    how = recipe(task)
    player = Player("main", [{"params": [p for p in model.parameters() if p.requires_grad]}])
    descent = optimizer.build(player, how)
    stream = batches(data, task["batch"], length["workers"], task["seed"])
    ended: list[float] = []
    began, progress, loss = time.perf_counter(), 0.0, torch.zeros(())
    while progress < 1:
        optimizer.set_rates(descent, how, progress)
        loss = model(next(stream), progress)
        descent.zero_grad(set_to_none=True)
        loss.backward()
        descent.step()
        ended.append(time.perf_counter() - began)
        progress = len(ended) / length["steps"] if "steps" in length else ended[-1] / length["seconds"]
    return {"encoder": encoder, "ended": ended, "loss": loss.item()}


def quickest(task: dict[str, Any], data: Pictures, seen: dict[str, Any]) -> int:
    """Return the number of worker processes with which a step takes the least time on this machine."""

    def seconds(workers: int) -> float:
        ended = trained(task, data, seen, workers=workers, steps=TRIED)["ended"]
        return median(np.diff(ended)[-TIMED:])

    return min(WORKERS, key=seconds)


def main() -> None:
    """Train, save the encoder, print what it took."""
    task = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")  # of old names in the libraries
    torch.set_num_threads(task["threads"])
    source = open_source(task["data"], "train", task.get("limit"))
    seen = Image().input(source)
    data = Pictures(source, views_of(task["tool"], task["method"], seen))
    workers = task["workers"] if task["workers"] is not None else quickest(task, data, seen)
    length = {k: task[k] for k in ("steps", "seconds") if task.get(k) is not None}
    found = trained(task, data, seen, workers=workers, **length)
    Path(task["out"]).write_bytes(encoders.save(found["encoder"]))
    steps, seconds = len(found["ended"]), found["ended"][-1]
    rate = round(steps * task["batch"] / seconds, 1)
    told = {"steps": steps, "seconds": round(seconds, 2), "images_per_second": rate, "workers": workers}
    print(json.dumps({**told, "loss": found["loss"]}))


if __name__ == "__main__":
    main()
