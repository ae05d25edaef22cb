"""CMC, contrastive multiview coding."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders import multiview
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Source, Terms
from selftaught.parts.bank import Bank
from selftaught.parts.colour import groups, refuse_colourless, refuse_grey
from selftaught.parts.gather import average, gather, gather_with_gradient, rank
from selftaught.parts.info_nce import info_nce
from selftaught.parts.nce import nce, normaliser
from selftaught.parts.scores import ranking
from selftaught.views.image import Augment, ImageViews


@final
class CMC(Method):
    """Contrastive learning between the lightness and the colour channels of an image.

    Tian, Krishnan, Isola, ECCV 2020 (arXiv 1906.05849), "Contrastive Multiview Coding". Several views of a scene share
    its content. Here a view is a group of channels, and every view has its own network. Colour jitter is not used,
    because the channels themselves are the views.

    With z^i the normalised code of view i and k^j_1 ... k^j_K codes of other images in view j::

        L(i -> j) = -log( exp(z^i.z^j/t) / (exp(z^i.z^j/t) + sum_k exp(z^i.k^j_k/t)) )
        L = sum over edges {i, j} of L(i -> j) + L(j -> i)

    where the edges are all pairs of views (full graph) or those of the first view (core). A query of view i is only
    scored with codes of view j, never with codes of its own view.

    Shapes: image is [B, 3, S, S]; the M codes are [B, dim] each. The encoder that is kept is `multiview`: it takes the
    ordinary image, splits it into views, and concatenates the features of its M networks, each built like the given
    encoder. The networks start from the given encoder's weights where the shapes agree: all layers except the first,
    which sees fewer channels.

    Keys come from the batch (of all ranks, with gradients), or from one memory bank per view, as in the paper. Then the
    positive is the image's own row in the bank of view j, and the loss is a softmax or NCE with one constant Z per
    direction, estimated on the first batch. Held-out images have no row, so in eval mode the positive is the other
    view's code.

    Defaults are the authors' for STL-10 (temperature 0.1, dim 128, crop 0.2, L and ab); on ImageNet temperature 0.07,
    16384 negatives and NCE. They find YCbCr slightly better. Departures: the batch itself holds the negatives unless a
    bank is asked for; all queries of a step share the rows that are drawn from a bank; the default recipe is AdamW for
    a few minutes instead of SGD 0.03 for 240 epochs.

    Args:
        views: Groups of channels of Lab, YCbCr or RGB: "L,ab", "Y,CbCr", "Y,Cb,Cr", "R,G,B".
        graph: full compares all pairs of views, core compares the first view with each other view.
        dim: Dimension of the projections that are compared.
        temperature: Temperature t, greater than 0.
        keys: Source of the keys: batch or bank.
        loss: softmax, or nce, which needs keys bank.
        negatives: Number K of rows drawn from a bank.
        momentum: Momentum of a row of the bank, in [0, 1). 0 replaces the row.
        bank: Where the rows are stored: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, or the images have no colour.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "negatives": {"keys": ("bank",)},
        "momentum": {"keys": ("bank",)},
        "bank": {"keys": ("bank",)},
    }
    encoder: Multiview
    z: Tensor

    def __init__(
        self,
        encoder: Encoder,
        views: str = "L,ab",
        graph: Literal["full", "core"] = "full",
        dim: int = 128,
        temperature: float = 0.1,
        keys: Literal["batch", "bank"] = "batch",
        loss: Literal["softmax", "nce"] = "softmax",
        negatives: int = 4096,
        momentum: float = 0.5,
        bank: str = "memory",
        crop: float = 0.2,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        refuse_colourless("cmc", encoder.spec["input"]["channels"])
        if temperature <= 0 or dim < 1 or negatives < 1:
            raise UserError(
                f"cmc needs a temperature greater than 0, and dim and negatives of at least 1, "
                f"not {temperature}, {dim} and "
                f"{negatives}"
            )
        choices = {"graph": (graph, "full", "core"), "keys": (keys, "batch", "bank"), "loss": (loss, "softmax", "nce")}
        for name, (value, *known) in choices.items():
            if value not in known:
                raise UserError(f"{name} of cmc must be {' or '.join(known)}, not '{value}'")
        if loss == "nce" and keys == "batch":
            raise UserError("loss nce of cmc needs a bank to draw noise from: use keys bank or loss softmax")
        groups(views)  # every channel once
        self.encoder = multiview.of("cmc", encoder, views)
        self.heads = nn.ModuleList(nn.Linear(network.dim, dim) for network in self.encoder.encoders())
        count = len(self.heads)
        self.edges = [(i, j) for i, j in combinations(range(count), 2) if graph == "full" or i == 0]
        if graph == "core" and count < 3:
            raise UserError("graph has no effect on cmc with 2 views: remove it, or use views R,G,B or Y,Cb,Cr")
        self.register_buffer("z", torch.zeros(count, count))  # of query i and bank j, 0 = not yet estimated
        self.together = 2 if keys == "batch" else 1
        self.dim, self.temperature, self.keys, self.loss = dim, temperature, keys, loss
        self.negatives, self.momentum, self.store = negatives, momentum, bank
        self.banks = nn.ModuleList()
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def prepare(self, source: Source) -> None:
        """With keys bank, create one bank per view with a random row for each sample.

        Raises UserError if the images are grey.
        """
        refuse_grey("cmc", source)
        if self.keys == "bank":
            self.banks = nn.ModuleList(Bank(len(source), self.dim, self.momentum, self.store) for _ in self.heads)

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "heads", "image")}

    def forward(self, image: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the loss summed over all edges.

        With a bank, also return "codes" [B, M, dim], "samples" [B] and "z" [1, M, M] for `after_step`.
        """
        z = [F.normalize(head(code), dim=1) for head, code in zip(self.heads, self.encoder.codes(image), strict=True)]
        directions = [pair for i, j in self.edges for pair in ((i, j), (j, i))]
        if self.keys == "batch":
            outputs = [self.in_batch(z[i], z[j]) for i, j in directions]
            return merged(outputs)
        constants, outputs = self.z.clone(), []
        for i, j in directions:
            outputs.append(self.in_bank(i, j, z[i], z[j], index, clock))
            constants[i, j] = outputs[-1].pop("z")
        return {**merged(outputs), "codes": torch.stack(z, 1).detach(), "samples": index, "z": constants[None]}

    def in_batch(self, query: Tensor, key: Tensor) -> Outputs:
        """Score queries [B, dim] of one view with all ranks' codes of another. Row i is the positive of query i."""
        scores = query @ gather_with_gradient(key).T  # [B, R * B]
        mine = torch.arange(len(query), device=query.device)[:, None] + rank() * len(query)
        return info_nce(scores.gather(1, mine)[:, 0], scores.scatter(1, mine, -torch.inf), self.temperature)

    def in_bank(self, i: int, j: int, query: Tensor, key: Tensor, index: Tensor, clock: Clock) -> Outputs:
        """Score queries [B, dim] of view i with rows of the bank of view j."""
        bank = self.banks[j]
        assert isinstance(bank, Bank)
        drawn = torch.from_numpy(draws(bank.n, self.negatives, clock.seed, clock.step, j)).to(index.device)  # [K]
        positive = (query * (bank.rows(index) if self.training else key)).sum(1)
        negative = query @ bank.rows(drawn).T  # [B, K]
        own = (drawn == index[:, None]) & self.training  # NCE may draw the own row, softmax must not
        others = negative.masked_fill(own, -torch.inf)
        if self.loss == "softmax":
            return {**info_nce(positive, others, self.temperature), "z": self.z[i, j]}
        z = self.z[i, j] if self.z[i, j] > 0 else average(normaliser(negative, bank.n, self.temperature))
        loss = nce(positive, negative, 1 / bank.n, self.temperature, z)["loss"]
        return {"loss": loss, **ranking(positive, others), "z": z}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the rows of the batch in every bank. The constants Z of the first batch are kept."""
        if self.keys == "bank":
            self.z.copy_(torch.where(self.z > 0, self.z, outputs["z"].mean(0)))
            samples, codes = gather(outputs["samples"]), gather(outputs["codes"])
            for view, bank in enumerate(self.banks):
                assert isinstance(bank, Bank)
                bank.write(samples, codes[:, view])


def merged(outputs: list[Outputs]) -> Outputs:
    """Sum the losses over directions and average everything else."""
    mean = {name: torch.stack([out[name] for out in outputs]).mean(0) for name in outputs[0]}
    return {**mean, "loss": mean["loss"] * len(outputs)}


def draws(n: int, m: int, seed: int, step: int, view: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw m of n rows uniformly with replacement, as a pure function of the arguments: the same on all ranks."""
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, view, 0xC3C])).integers(n, size=m)
