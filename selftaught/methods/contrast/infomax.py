"""Deep InfoMax."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Player, Terms
from selftaught.parts.gather import gather_with_gradient, rank, world
from selftaught.parts.information import donsker_varadhan, jensen_shannon
from selftaught.parts.layers import shape_of
from selftaught.parts.local_info_nce import local_info_nce
from selftaught.views.image import Augment, ImageViews

Objective = Literal["jsd", "dv", "info_nce"]
Discriminator = Literal["dot", "concat"]

TAG = 0x7072696F72  # separates these random numbers from other uses of (seed, step)


@final
class InfoMax(Method):
    """Maximise the mutual information between the summary of an image and its local features.

    Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler, Bengio, ICLR 2019 (arXiv 1808.06670), "Learning deep
    representations by mutual information estimation and maximization". A network that discriminates matching pairs from
    other pairs gives a lower bound of the mutual information of both sides, and the encoder maximises that bound. A
    summary that shares information with every place of its image encodes the content of the image, not the noise of one
    place.

    With y_i the summary of image i, M_il place l of a layer's positions, T_ijl = T(M_jl, y_i) the discriminator's score
    and sp(t) = log(1 + e^t), each place l has an estimate I_l::

        jsd:       I_l = mean_i (log 2 - sp(-T_iil)) - mean_{i != j} (sp(T_ijl) - log 2)
        dv:        I_l = mean_i T_iil - log mean_{i != j} exp T_ijl                          (Donsker and Varadhan 1983)
        info_nce:  I_l = log(1 + (N - 1) places) - mean_i log(1 + sum_{j != i, m} exp(T_ijm - T_iil))

        L = -alpha I(whole layer as one place) - beta mean_l I_l + gamma mean_i sp(-D(s(y_i)))

    The last term is adversarial: the critic D, a separate player, learns to discriminate s(y), with s the logistic
    function, from uniform noise in (0, 1)^dim by minimising mean sp(-D(noise)) + mean sp(D(s(y))), and the encoder
    learns to make s(y) look like noise. This spreads the summaries evenly. Each of the three estimates is 0 where T is
    0.

    Shapes: image is [B, C, S, S], places [B, C', P], scores [N, N, P] with summaries first; N counts the images of all
    ranks.

    Defaults are DIM(L) with InfoNCE: alpha 0, beta 1, gamma 0.1, 64 units in the summary, a critic of 1000 and 200
    units; DIM(G) is alpha 1, beta 0, gamma 1. Batch norm sees the images of all ranks together, or an image would be
    told by the batch that it was normalised in. Departures: the summary is a head that is discarded, and the features
    before it are kept; self pairs are excluded instead of given a score of -10; concat scores every pair of the batch
    instead of one negative for each; both discriminators and the critic have no batch norm; the default recipe is AdamW
    for a few minutes.

    Args:
        objective: Estimator of the mutual information. jsd learns slowly at first, dv is unstable in small batches.
        discriminator: dot maps both sides and takes their inner product. concat applies 1x1 convolutions to every place
            joined with the summary, which costs N^2 places instead of N.
        alpha: Weight of the mutual information with the whole layer.
        beta: Weight of the mutual information averaged over places.
        gamma: Weight of the prior. 0 disables the critic.
        layer: Index of the encoder's layer that gives the places. Negative numbers count from the last.
        dim: Dimension of the summary.
        units: Hidden units of the discriminator.
        crop: Smallest area of a random crop, as a fraction of the image. 1 takes the whole image, as in the paper.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, or the encoder's layer has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        objective: Objective = "info_nce",
        discriminator: Discriminator = "dot",
        alpha: float = 0.0,
        beta: float = 1.0,
        gamma: float = 0.1,
        layer: int = -2,
        dim: int = 64,
        units: int = 128,
        crop: float = 1.0,
        flip: float = 0.0,
    ) -> None:
        super().__init__()
        if objective not in get_args(Objective) or discriminator not in get_args(Discriminator):
            raise UserError(
                f"objective of infomax must be one of {', '.join(get_args(Objective))} and discriminator one of "
                f"{', '.join(get_args(Discriminator))}, not '{objective}' and '{discriminator}'"
            )
        if min(alpha, beta, gamma) < 0 or alpha + beta == 0:
            raise UserError(
                f"alpha, beta and gamma of infomax must be at least 0 and alpha or beta greater than 0, "
                f"not {alpha}, {beta} "
                f"and {gamma}"
            )
        if dim < 1 or units < 1:
            raise UserError(f"dim and units of infomax must be at least 1, not {dim} and {units}")
        self.encoder = encoder
        self.objective, self.alpha, self.beta, self.gamma, self.layer = objective, alpha, beta, gamma, layer
        channels, places = positions(encoder, layer)
        last, count = positions(encoder, -1)
        self.summary = nn.Sequential(nn.Flatten(), nn.Linear(last * count, dim))
        score = EncodeAndDot if discriminator == "dot" else ConcatAndConvolve
        self.whole = score(dim, channels * places, units) if alpha else None
        self.places = score(dim, channels, units) if beta else None
        self.critic = nn.Sequential(
            nn.Linear(dim, 1000), nn.ReLU(), nn.Linear(1000, 200), nn.ReLU(), nn.Linear(200, 1)
        ) if gamma else None  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def players(self) -> list[Player]:
        """Return the encoder with its discriminators, and the critic of the prior."""
        critic = list(self.critic.parameters()) if self.critic else []
        theirs = {id(p) for p in critic}
        main = Player("main", [{"params": [p for p in self.parameters() if id(p) not in theirs]}])
        return [main, Player("prior", [{"params": critic}])] if critic else [main]

    def terms(self) -> Terms:
        """Return the terms of the encoder's player: the information at each scale, and the prior."""
        scales = [name for name, weight in (("whole", self.alpha), ("places", self.beta)) if weight]
        found: dict[str, tuple[str, ...]] = {f"{n}_information": ("encoder", "summary", n, "image") for n in scales}
        return found | ({"prior_loss": ("encoder", "summary", "image")} if self.critic else {})

    def forward(self, image: Tensor, player: str, clock: Clock, **_: Any) -> Outputs:
        """Return the player's loss.

        "accuracy" is the fraction of summaries whose own image has the highest score, averaged over its places.
        """
        if player == "prior":
            with torch.no_grad():
                y = self.summary(self.encoder.layers(image)[-1])  # [B, dim]
            return {"loss": self.distinguish(y, clock)}
        layers = self.encoder.layers(image)
        y = self.summary(layers[-1])
        outputs: Outputs = {"prior_loss": F.softplus(-self.critic(y.sigmoid())).mean()} if self.critic else {}
        loss = self.gamma * outputs.get("prior_loss", y.new_zeros(()))
        y, m = gather_with_gradient(y), gather_with_gradient(layers[self.layer].flatten(2))  # [N, dim], [N, C', P]
        for weight, name, what in ((self.alpha, "whole", m.flatten(1)[:, :, None]), (self.beta, "places", m)):
            if (score := getattr(self, name)) is not None:
                scores = score(y, what)  # [N, N, P], or [N, N, 1]
                information = estimate(self.objective, scores)
                loss = loss - weight * information
                outputs |= {f"{name}_information": information, "information": information.detach()}
                outputs |= {"accuracy": told_apart(scores), "chance": 1 / len(y)}
        return {"loss": loss, **outputs}

    def distinguish(self, y: Tensor, clock: Clock) -> Tensor:
        """Return the critic's loss on the summaries y [B, dim].

        The noise is a function of (seed, step) and the rows' positions in the batch.
        """
        assert self.critic is not None
        generator = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG]))
        noise = generator.random((world() * len(y), y.shape[1]), np.float32)[rank() * len(y) : (rank() + 1) * len(y)]
        real, fake = self.critic(torch.from_numpy(noise).to(y)), self.critic(y.sigmoid())
        return F.softplus(-real).mean() + F.softplus(fake).mean()


def positions(encoder: Encoder, layer: int) -> tuple[int, int]:
    """Return the channels and the number of positions of a layer.

    Raises UserError when there is no such layer or it has no positions.
    """
    try:
        shape = shape_of(lambda x: encoder.layers(x)[layer], encoder, encoder.spec["input"])
    except IndexError:
        raise UserError(
            f"the encoder has no layer {layer}: use a smaller layer of infomax, or a deeper encoder"
        ) from None
    if len(shape) != 3:
        raise UserError(
            f"infomax needs an encoder with positions, such as conv or resnet18, not {encoder.spec['name']}"
        )
    return shape[0], shape[1] * shape[2]


def estimate(objective: Objective, scores: Tensor) -> Tensor:
    """Return the estimated mutual information, averaged over places.

    Scores are [N, N, P]: summaries, images, places.
    """
    own = torch.arange(len(scores), device=scores.device)
    if objective == "info_nce":
        found = local_info_nce(scores, own)
        return torch.log1p(found["negatives"]) - found["loss"]
    mine = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    joint, apart = scores[mine], scores[~mine]  # [N, P], [N (N - 1), P]
    if objective == "dv":
        return donsker_varadhan(joint, apart).mean()
    return jensen_shannon(joint, apart)


def told_apart(scores: Tensor) -> Tensor:
    """Return the fraction of summaries whose own image has the highest mean score in [N, N, P]. A tie is a miss."""
    mean = scores.detach().mean(2)
    others = mean.masked_fill(torch.eye(len(mean), dtype=torch.bool, device=mean.device), -torch.inf)
    return (mean.diagonal() > others.amax(1)).float().mean()


@final
class EncodeAndDot(nn.Module):
    """T(M, y) = place(M) . summary(y), where both networks have two layers."""

    def __init__(self, dim: int, channels: int, units: int) -> None:
        super().__init__()
        self.summary = nn.Sequential(nn.Linear(dim, units), nn.ReLU(), nn.Linear(units, units))
        self.place = nn.Sequential(nn.Linear(channels, units), nn.ReLU(), nn.Linear(units, units))

    def forward(self, y: Tensor, m: Tensor) -> Tensor:
        """Map [N, dim] and [N, channels, P] to scores [N, N, P]."""
        places: Tensor = self.place(m.mT)  # [N, P, units]
        scores: Tensor = self.summary(y) @ places.flatten(0, 1).T  # [N, N * P]
        return scores.view(len(y), *places.shape[:2])


@final
class ConcatAndConvolve(nn.Module):
    """T(M, y) is a network of three layers on the concatenation of M and y, the same at every place."""

    def __init__(self, dim: int, channels: int, units: int) -> None:
        super().__init__()
        # one layer, split in two
        self.summary, self.place = nn.Linear(dim, units), nn.Linear(channels, units, bias=False)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1))

    def forward(self, y: Tensor, m: Tensor) -> Tensor:
        """Map [N, dim] and [N, channels, P] to scores [N, N, P]."""
        scores: Tensor = self.rest(self.summary(y)[:, None, None] + self.place(m.mT)[None])  # [N, N, P, 1]
        return scores.squeeze(3)
