"""Exemplar-CNN."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.method import Batch, Encoder, Index, Method, Outputs, Params, Raw, Source, Views
from selftaught.parts.exemplar import exemplar
from selftaught.parts.matching import matching
from selftaught.parts.shown import Pictures
from selftaught.source import content_digests, evenly
from selftaught.views.image import denormalise, plain
from selftaught.views.warp import Warp, WarpViews, axes

Form = Literal["classes", "triplet"]
PIXELS = 256
"""Number of images whose pixels give the principal components of colour."""


@final
class Exemplar(Method):
    """Treat each image as a class of its own, and recognise it however it is shifted, turned and coloured.

    Dosovitskiy, Springenberg, Riedmiller, Brox, NIPS 2014 (arXiv 1406.6909), "Discriminative Unsupervised Feature
    Learning with Convolutional Neural Networks"; the triplet form is that of Doersch, Zisserman, ICCV 2017 (arXiv
    1708.07860) and Kolesnikov, Zhai, Beyer, CVPR 2019 (arXiv 1901.09005). Features that name the image after strong
    transformations depend on what it shows, not on where, how large and in what light.

    With x_1 .. x_N the patches, T a random transformation, f the encoder and hidden layer, W the head::

        classes:  L = -mean_{i, T} log softmax( W f(T x_i) )_i
        triplet:  with d the distance of embeddings of length 1,
                  L = mean_a log(1 + exp( max_{p: same image} d(a, p) - min_{n: another} d(a, n) ))

    W has a row for every patch, so "classes" is for a few thousand of them; "triplet" compares within the batch and
    takes all images. A patch is cut where the image has large gradients, and images that are equal byte for byte count
    once.

    Shapes: views is a list of M copies [B, C, S, S]; embeddings are [B, dim]. "accuracy" says how often the first copy
    of an image finds its second among those of the batch, by the direction of the embeddings, and "named" how often the
    head is right. Held-out images have no class; in eval mode the loss is that of the triplets.

    Defaults are the paper's families at their strength, from memory: shifts of .2, scales of .7 to 1.4, 20 degrees,
    factors of .5 to 2 for principal components, powers of .25 to 4 for saturation and value. Departures: new
    transformations are drawn in every epoch, instead of 100 or more fixed ones a patch; they act on the pixels of the
    data set's scale, one patch an image, without the paper's filter for near duplicates; each sample gives `copies`
    examples a step; one hidden layer of `dim` between encoder and head, with ReLU for classes; the triplets are
    batch-hard with a soft margin; the default recipe is AdamW for a few minutes.

    Args:
        form: classes, or triplet for many images.
        classes: Number of patches, each of another image, for classes; evenly spaced in the data. At most all.
        copies: Number of copies M of each patch in a step, at least 2.
        dim: Width of the hidden layer, or of the embedding.
        part: Side of a patch as a share of the image's shorter side, in (0, 1].
        shift: Largest shift, as a share of the patch's side.
        scale: Largest factor of the scale, at least 1.
        turn: Largest rotation in degrees.
        contrast: Largest factor of a principal component of colour, at least 1.
        colour: Strength of the changes of hue, saturation and value; 1 is the paper's.
        flip: Probability of a horizontal flip; the paper has none.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for fewer than two different images.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"classes": {"form": ("classes",)}}

    def __init__(
        self,
        encoder: Encoder,
        form: Form = "classes",
        classes: int = 4000,
        copies: int = 2,
        dim: int = 256,
        part: float = 0.8,
        shift: float = 0.2,
        scale: float = 1.4,
        turn: float = 20.0,
        contrast: float = 2.0,
        colour: float = 1.0,
        flip: float = 0.0,
    ) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise UserError(f"form of exemplar must be one of {', '.join(get_args(Form))}, not '{form}'")
        if min(classes, copies) < 2 or dim < 1:
            raise UserError(
                f"classes and copies of exemplar must be at least 2 and dim at least 1, not {classes}, {copies} and "
                f"{dim}"
            )
        self.encoder, self.form, self.copies = encoder, form, copies
        self.together = 2 if form == "triplet" else 1
        self.embed = nn.Linear(encoder.dim, dim)
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of patches is known
        warp = Warp(shift, scale, turn, contrast, colour, flip)
        self.seeds = self.views = Seeds(encoder.spec["input"], warp, copies, part, classes if form == "classes" else 0)

    def prepare(self, source: Source) -> None:
        """Create one output per patch and find the principal components of colour."""
        if len(source) < 2:
            raise UserError("exemplar tells images apart and needs at least two different ones")
        if self.form == "classes":
            self.head = nn.Linear(self.embed.out_features, len(source))
        self.seeds.look(source)

    def forward(self, views: list[Tensor], index: Tensor, **_: Any) -> Outputs:
        """Return the loss, "accuracy" and "chance" of the copies in the batch, and for classes "named"."""
        codes = self.embed(self.encoder(torch.stack(views, 1).flatten(0, 1)))  # [MB, dim]
        told = matching(codes[:: self.copies], codes[1 :: self.copies])
        if self.head is None or not self.training:
            return {"loss": exemplar(F.normalize(codes, dim=1), self.copies)["loss"], **told}
        logits, own = self.head(codes.relu()), index.repeat_interleave(self.copies)  # [MB, N]
        named = (logits.argmax(1) == own).float().mean()
        return {"loss": F.cross_entropy(logits, own), "named": named, **told}

    def show(self, views: list[Tensor], index: Tensor, **_: Any) -> list[Pictures]:
        """Show copies of each patch, and whether the first finds the second among those of all samples."""
        seen = self.encoder.spec["input"]
        one, other = (F.normalize(self.embed(self.encoder(view)), dim=1) for view in views[:2])
        found = (one @ other.T).argmax(1)
        pictures = [list(denormalise(view, seen)) for view in views[:2]]
        notes = ["right" if f == i else "wrong" for i, f in enumerate(found.tolist())]
        return [
            *(Pictures(f"copy {m + 1}", made) for m, made in enumerate(pictures)),
            Pictures("found for copy 1", [pictures[1][f] for f in found.tolist()], notes),
        ]


@final
class Seeds(Views):
    """The views of `WarpViews`, of at most `count` different images of the source, evenly spaced; 0 = of all."""

    def __init__(self, input: dict[str, Any], warp: Warp, copies: int, part: float, count: int) -> None:
        """Raises UserError for a part out of range."""
        self.warped, self.plain, self.count = WarpViews(input, warp, copies, part), plain(input), count

    def bind(self, source: Source) -> Source:
        """Return the seeds, each of another image."""
        if not self.count:
            return source
        index = evenly(len(source), self.count)
        kept: dict[bytes, int] = {}
        for some in np.array_split(index, -(-len(index) // PIXELS)) if len(index) else ():
            for i, digest in zip(some.tolist(), content_digests(source.fetch(some)), strict=True):
                kept.setdefault(digest, i)
        return Subset(source, np.array(sorted(kept.values()), np.int64))

    def look(self, source: Source) -> None:
        """Find the principal components of the pixels' colours."""
        index = evenly(len(source), PIXELS)
        batch = self.plain.apply(source.fetch(index), self.plain.sample(index, 0, 0), torch.device("cpu"))
        image = batch["image"] * self.warped.std + self.warped.mean
        self.warped.components = axes(image.permute(0, 2, 3, 1).flatten(0, 2))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """See `WarpViews`."""
        return self.warped.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """See `WarpViews`."""
        return self.warped.apply(raw, params, device)
