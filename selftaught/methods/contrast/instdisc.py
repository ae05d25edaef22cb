"""InstDisc: instance discrimination with a memory bank."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Method, Outputs, Source
from selftaught.parts.bank import Bank
from selftaught.parts.gather import average, gather
from selftaught.parts.heads import projection
from selftaught.parts.nce import nce, normaliser
from selftaught.parts.scores import ranking
from selftaught.views.image import Augment, ImageViews, plain


@final
class InstDisc(Method):
    """Every image is a class of its own, and what it last looked like to the network is its class's weight vector.

    Wu, Xiong, Yu, Lin, CVPR 2018 (arXiv 1805.01978), "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination". A bank keeps one feature for each image instead of a classifier's weights, so the feature space
    itself is what the softmax shapes, and nearest neighbours among the bank's rows classify without embedding the
    training set.

    With v the feature of image i, v_1 ... v_n the bank, all of length 1, and Z a constant::

        softmax    L = -log( exp(v_i.v/t) / sum_j exp(v_j.v/t) )
        nce        L = -log h(i) - sum_k log(1 - h(j_k)),   h(j) = P(j) / (P(j) + m/n),   P(j) = exp(v_j.v/t) / Z
        proximal   L + lambda |v - v_i|^2

    where j_1 ... j_m are drawn uniformly from the bank and Z = n mean_j exp(v_j.v/t) comes from the first batch.

    Shapes: image is [B, C, S, S]; v is [B, dim]; the bank is [n, dim].

    One step: score v against the bank as it was; step the optimiser; then let the rows of this batch follow their
    features. On held-out images, which have no row, an image has to be found by its mirror image among the rows of the
    bank.

    Defaults are the authors' CIFAR-10 command: full softmax, temperature 0.1, rows that keep half of their past, and
    the augmentations of their release; on ImageNet nce with 4096 draws and temperature 0.07. The paper instead replaces
    rows (momentum 0) and adds the proximal term with lambda 30. Departures: the m draws are the same for all images of
    a batch, so that their rows are read once, and need no alias table as they are uniform; an image's own row may be
    among them, as in the paper, and does not count for the accuracy; the recipe is AdamW for a few minutes instead of
    SGD 0.03 for 200 epochs. At its learning rate nce diverged in 300 steps on 10,000 images where the softmax did not:
    lower it. Rows start as the untrained features: to learn random rows, as the paper's first epoch does, left an
    encoder that was trained for little more than an epoch worse than none (CIFAR-10, 45 s: linear probe 36 where the
    untrained has 48).

    Args:
        dim: Width of features.
        temperature: t, greater than 0.
        loss: softmax over the whole bank, or nce, whose cost does not grow with the data set.
        noise: m, the draws of nce from the bank.
        momentum: What a row of the bank keeps of its past, in [0, 1).
        proximal: lambda, at least 0: how strongly a feature is held near its row.
        start: Rows begin as the untrained network's features, or as random directions (the paper).
        bank: Where the rows are kept: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE.
        crop: Smallest part of the image's area that a crop takes.
        jitter: Of brightness, contrast, saturation and hue.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.

    Raises:
        UserError: A value out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        temperature: float = 0.1,
        loss: Literal["softmax", "nce"] = "softmax",
        noise: int = 4096,
        momentum: float = 0.5,
        proximal: float = 0.0,
        start: Literal["features", "random"] = "features",
        bank: str = "memory",
        crop: float = 0.2,
        jitter: float = 0.4,
        flip: float = 0.5,
        grey: float = 0.2,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of instdisc must be greater than 0, not {temperature}")
        if loss not in ("softmax", "nce"):
            raise UserError(f"loss of instdisc must be softmax or nce, not '{loss}'")
        if noise < 1:
            raise UserError(f"noise of instdisc must be at least 1 draw, not {noise}")
        if start not in ("features", "random"):
            raise UserError(f"start of instdisc must be features or random, not '{start}'")
        if proximal < 0:
            raise UserError(f"proximal of instdisc must be at least 0, not {proximal}")
        self.encoder = encoder
        self.head = projection(encoder.dim, encoder.dim, dim, depth=1, norm=False)
        self.loss, self.noise, self.temperature, self.proximal = loss, noise, temperature, proximal
        self.dim, self.momentum, self.start, self.store = dim, momentum, start, bank
        self.register_buffer("z", torch.zeros(()))  # 0: not yet estimated
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter, 0.5)), jitter_p=1.0, grey=grey
        )
        self.views = ImageViews(encoder.spec["input"], image=augment)

    z: Tensor

    def prepare(self, source: Source) -> None:
        """An empty bank: a random row for each sample."""
        self.bank = Bank(len(source), self.dim, self.momentum, self.store)

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Before the first, every row becomes what the network makes of the plain image."""
        if clock.epoch == 0 and self.start == "features":
            self.bank.fill(self.head, embed(plain(self.encoder.spec["input"]), None))

    def features(self, x: Tensor) -> Tensor:
        """The space of the bank: [B, C, S, S] to rows of length 1, [B, dim]."""
        return F.normalize(self.head(self.encoder(x)), dim=1)

    def remembered(self, index: Tensor) -> Tensor:
        """What `features` was when the samples `index` [B] were last seen, smoothed: [B, dim]."""
        return self.bank.rows(index)

    def forward(self, image: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """The instance softmax or its NCE, and for `after_step` "rows" [B, dim], "samples" [B] and "z"."""
        v = self.features(image)  # [B, dim]
        if not self.training:
            return self.held_out(v, self.features(image.flip(-1)))
        own = self.bank.rows(index)  # [B, dim]
        if self.loss == "softmax":
            out = self.softmax(v, index)
        else:
            out = self.nce(v, own, index, clock)
        near = (v - own).square().sum(1).mean()
        return {**out, "loss": out["loss"] + self.proximal * near, "moved": near.detach(), "rows": v, "samples": index}

    def softmax(self, v: Tensor, index: Tensor) -> Outputs:
        """Which of all n images is it?"""
        scores = self.bank.scores(v)  # [B, n]
        right = (scores.argmax(1) == index).float().mean()
        return {"loss": F.cross_entropy(scores / self.temperature, index), "accuracy": right, "chance": 1 / self.bank.n}

    def nce(self, v: Tensor, own: Tensor, index: Tensor, clock: Clock) -> Outputs:
        """Is it this image, or one of m that were drawn?"""
        drawn = torch.from_numpy(draws(self.bank.n, self.noise, clock.seed, clock.step)).to(index.device)  # [m]
        positive, negative = (v * own).sum(1), v @ self.bank.rows(drawn).T  # [B], [B, m]
        z = self.z if self.z > 0 else average(normaliser(negative, self.bank.n, self.temperature))
        others = negative.masked_fill(drawn == index[:, None], -torch.inf)
        loss = nce(positive, negative, 1 / self.bank.n, self.temperature, z)["loss"]
        return {"loss": loss, **ranking(positive, others), "z": z}

    @torch.no_grad()
    def held_out(self, v: Tensor, mirrored: Tensor) -> Outputs:
        """Features [B, dim] of images without a row, and of their mirror images, which have to be told from all rows."""
        positive, negative = (v * mirrored).sum(1), self.bank.scores(v)  # [B], [B, n]
        logits = torch.cat([positive[:, None], negative], 1) / self.temperature
        return {"loss": (logits.logsumexp(1) - logits[:, 0]).mean(), **ranking(positive, negative)}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """The batch's rows follow; the first batch's Z stays."""
        if "z" in outputs and self.z == 0:
            self.z.copy_(outputs["z"])
        self.bank.write(gather(outputs["samples"]), gather(outputs["rows"]))


def draws(n: int, m: int, seed: int, step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """m rows of n, uniform, with replacement: a pure function of its arguments, so that all ranks draw the same."""
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0x1D15])).integers(n, size=m)
