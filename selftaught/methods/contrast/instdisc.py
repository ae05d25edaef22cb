"""InstDisc: instance discrimination with a memory bank."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Method, Outputs, Source, Terms
from selftaught.parts.bank import Bank
from selftaught.parts.gather import average, gather
from selftaught.parts.heads import projection
from selftaught.parts.nce import nce, normaliser
from selftaught.parts.scores import ranking
from selftaught.views.image import Augment, ImageViews, plain


@final
class InstDisc(Method):
    """Classify every image as its own class, with a memory bank of features as class weights.

    Wu, Xiong, Yu, Lin, CVPR 2018 (arXiv 1805.01978), "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination". A bank stores one feature for each image instead of a classifier's weights, so the softmax shapes
    the feature space itself. Nearest neighbours among the rows of the bank classify without embedding the training set.

    With v the feature of image i, v_1 ... v_n the bank, all of length 1, and Z a constant::

        softmax    L = -log( exp(v_i.v/t) / sum_j exp(v_j.v/t) )
        nce        L = -log h(i) - sum_k log(1 - h(j_k)),   h(j) = P(j) / (P(j) + m/n),   P(j) = exp(v_j.v/t) / Z
        proximal   L + lambda |v - v_i|^2

    where j_1 ... j_m are drawn uniformly from the bank and Z = n mean_j exp(v_j.v/t) comes from the first batch.

    Shapes: image is [B, C, S, S]; v is [B, dim]; the bank is [n, dim].

    One step: score v against the bank before its update; step the optimiser; then update the rows of this batch with
    their features. Held-out images have no row, so an image must be identified by its mirror image among the rows of
    the bank.

    Defaults are the authors' CIFAR-10 command: full softmax, temperature 0.1, rows with momentum 0.5, and the
    augmentations of their release; on ImageNet nce with 4096 draws and temperature 0.07. The paper instead replaces
    rows (momentum 0) and adds the proximal term with lambda 30. Departures: the m draws are the same for all images of
    a batch, so that their rows are read once, and they need no alias table because they are uniform; an image's own row
    may be among them, as in the paper, and is ignored in the accuracy; Z is the mean over the draws, in the release
    over the image's own row too; the release flips images on ImageNet alone; the default recipe is AdamW for a few
    minutes instead of SGD with rate 0.1 (ImageNet 0.03) for 200 epochs. Rows start as the untrained features, and not
    at random as in the paper. Learning random rows made an encoder worse than untrained after little more than one
    epoch (CIFAR-10, 45 s: linear probe 36, untrained 48).

    The paper's own form, nce with random rows, needs a low rate and about ten epochs: random rows give a small Z,
    untrained features lie close together, and once they are in the bank every draw looks like a match. With --lr 3e-4
    it learns (4,000 images of 16 pixels, 1,024 draws, 31 steps an epoch: accuracy .001 after 4 epochs, .01 after 8, .08
    after 16, chance .001); with AdamW at 2e-3 or SGD at 0.03 its loss grew for all 16, and a run of fewer than five
    epochs shows nothing. From features nce learns at the default rate (.22 after 16).

    Args:
        dim: Dimension of the features.
        temperature: Temperature t, greater than 0.
        loss: softmax over the whole bank, or nce, whose cost does not grow with the size of the data set.
        noise: Number m of rows that nce draws from the bank.
        momentum: Momentum of a row of the bank, in [0, 1). 0 replaces the row.
        proximal: Weight lambda of the distance between a feature and its row, at least 0.
        start: Initial rows of the bank: features of the untrained network, or random directions (as in the paper).
        bank: Where the rows are stored: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast, saturation and hue jitter.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"noise": {"loss": ("nce",)}}

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
        self.register_buffer("z", torch.zeros(()))  # 0 = not yet estimated
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter, 0.5)), jitter_p=1.0, grey=grey
        )
        self.views = ImageViews(encoder.spec["input"], image=augment)

    z: Tensor

    def prepare(self, source: Source) -> None:
        """Create the bank, with a random row for each sample."""
        self.bank = Bank(len(source), self.dim, self.momentum, self.store)

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Before the first epoch, set every row to the feature of the plain image."""
        if clock.epoch == 0 and self.start == "features":
            self.bank.fill(self.head, embed.parts(plain(self.encoder.spec["input"])))

    def features(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to the space of the bank: rows of length 1, [B, dim]."""
        return F.normalize(self.head(self.encoder(x)), dim=1)

    def remembered(self, index: Tensor) -> Tensor:
        """Return the rows of the samples `index` [B]: their past features, smoothed, [B, dim]."""
        return self.bank.rows(index)

    def terms(self) -> Terms:
        """Return the terms with a weight. The bank takes no gradient."""
        reached = ("encoder", "head", "image")
        return {"identity": reached} | ({"moved": reached} if self.proximal else {})

    def forward(self, image: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the softmax or NCE loss, and "rows" [B, dim], "samples" [B] and "z" for `after_step`."""
        v = self.features(image)  # [B, dim]
        if not self.training:
            return self.held_out(v, self.features(image.flip(-1)))
        own = self.bank.rows(index)  # [B, dim]
        if self.loss == "softmax":
            out = self.bank.identify(v, index, self.temperature)
        else:
            out = self.nce(v, own, index, clock)
        near = (v - own).square().sum(1).mean()
        loss = out["loss"] + self.proximal * near
        return {**out, "loss": loss, "identity": out["loss"], "moved": near, "rows": v, "samples": index}

    def nce(self, v: Tensor, own: Tensor, index: Tensor, clock: Clock) -> Outputs:
        """Return the loss of discriminating the image from m drawn images."""
        drawn = torch.from_numpy(draws(self.bank.n, self.noise, clock.seed, clock.step)).to(index.device)  # [m]
        positive, negative = (v * own).sum(1), v @ self.bank.rows(drawn).T  # [B], [B, m]
        z = self.z if self.z > 0 else average(normaliser(negative, self.bank.n, self.temperature))
        others = negative.masked_fill(drawn == index[:, None], -torch.inf)
        loss = nce(positive, negative, 1 / self.bank.n, self.temperature, z)["loss"]
        return {"loss": loss, **ranking(positive, others), "z": z}

    @torch.no_grad()
    def held_out(self, v: Tensor, mirrored: Tensor) -> Outputs:
        """Return the loss of features [B, dim] without a row: match each to its mirror image among all rows."""
        positive = (v * mirrored).sum(1)  # [B]
        total, largest, _ = self.bank.logsumexp(v, self.temperature)
        logits = positive / self.temperature
        found = ranking(positive, largest[:, None]) | {"chance": 1 / (1 + self.bank.n), "negatives": self.bank.n}
        return {"loss": (torch.logaddexp(total, logits) - logits).mean(), **found}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the rows of the batch. The Z of the first batch is kept."""
        if "z" in outputs and self.z == 0:
            self.z.copy_(outputs["z"])
        self.bank.write(gather(outputs["samples"]), gather(outputs["rows"]))


def draws(n: int, m: int, seed: int, step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw m of n rows uniformly with replacement, as a pure function of the arguments: the same on all ranks."""
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0x1D15])).integers(n, size=m)
