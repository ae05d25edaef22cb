"""Stacked denoising autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.mlp import MLP
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Index, Method, Outputs, Source
from selftaught.parts.classified import labelled_cross_entropy
from selftaught.parts.mirror import Mirror
from selftaught.parts.shown import Pictures
from selftaught.parts.streams import Streams, classes_of
from selftaught.parts.target import target as stopped
from selftaught.views.corruption import Noise, Noisy, damaged
from selftaught.views.image import denormalise


@final
class StackedDenoising(Method):
    """Stacked denoising autoencoder: train a deep network layer by layer, each to denoise the code of the one below.

    Vincent, Larochelle, Lajoie, Bengio, Manzagol, JMLR 2010, "Stacked Denoising Autoencoders: Learning Useful
    Representations in a Deep Network with a Local Denoising Criterion". When deep networks could not yet be trained as
    a whole, a local task gave each layer a start; labels then tune all layers together.

    With h_0 = x the image, f_l the layers of the encoder, g_l a decoder of one layer and h~ a corrupted copy::

        layer l, for l = 1 .. L in turn:  L(h_{l-1}, g_l(f_l(h~_{l-1}))),   h_{l-1} = f_{l-1}(... f_1(x))
        then, with labels:                -log p(y | x), p the softmax of a linear layer on h_L

    The input of a layer is the clean code: corruption is only ever of what the layer in training sees, and never of
    what is below it. While layer l is trained, no other layer changes. L is the cross-entropy for values in [0, 1]
    (pixels, and the codes of sigmoid layers), otherwise half the squared error, summed over coordinates and averaged
    over the batch. The decoders are discarded.

    Shapes: clean is [B, C, S, S] in units of full brightness = 1; noise is [B, n], a number for each coordinate of the
    widest input of a layer; codes are [B, width].

    Training has L + 1 stages: the layers share the first 1 - `fine_tune` of the steps equally, the last are for labels.
    Each stage starts with a fresh optimiser. Without labels (or with ``--fine-tune 0``) there is no last stage.
    Half of each batch is labelled where only some samples are.

    Defaults follow the paper's masking noise of a quarter. Departures: the stages have equal numbers of steps instead
    of early stopping; AdamW with a constant rate instead of plain SGD; encoder mlp of 2 layers of 512 with ReLU is the
    default (the paper: 3 of 1,000 to 2,000, sigmoid: ``--encoder.width 1000 --encoder.depth 3 --encoder.activation
    sigmoid``), and its inputs are normalised; no emphasis.

    Args:
        noise: Type of corruption, as in denoising: gaussian, masking or salt_and_pepper. The last needs codes in [0,
            1]: encoder.activation sigmoid.
        level: Standard deviation of gaussian noise, or the corrupted fraction for the other types.
        tied: Use the layer's transposed weights in its decoder.
        fine_tune: Share of the steps that train all layers and a classifier with labels, if there are any, in [0, 1).

    Raises:
        UserError: An argument is out of range, or the encoder is not mlp.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 1e-3, "minutes": 1.5, "schedule": "constant"}
    sees = ("image",)
    network = "mlp"
    uses_labels = True

    encoder: MLP
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        noise: Noise = "masking",
        level: float = 0.25,
        tied: bool = False,
        fine_tune: float = 0.3,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, MLP):
            raise UserError(
                f"stacked_denoising trains the fully connected layers of encoder mlp, not {encoder.spec['name']}"
            )
        if noise not in get_args(Noise):
            raise UserError(f"noise of stacked_denoising must be one of {', '.join(get_args(Noise))}, not '{noise}'")
        if level < 0 or (level > 1 and noise != "gaussian"):
            raise UserError(f"level of stacked_denoising must be in [0, 1] (gaussian: at least 0), not {level}")
        if not 0 <= fine_tune < 1:
            raise UserError(f"fine_tune of stacked_denoising must be in [0, 1), not {fine_tune}")
        seen = encoder.spec["input"]
        self.bounded = encoder.spec["activation"] == "sigmoid"
        if noise == "salt_and_pepper" and not self.bounded:
            raise UserError(
                "salt_and_pepper noise sets codes to 0 or 1, so stacked_denoising needs codes in [0, 1] for it: use "
                "--encoder.activation sigmoid, or masking noise"
            )
        self.encoder, self.noise, self.level, self.fine_tune = encoder, noise, level, fine_tune
        self.depth = len(encoder.linears)
        self.decoders = nn.ModuleList(Mirror([linear], tied) for linear in encoder.linears)
        self.head: nn.Linear | None = None  # created in `prepare`, when it is known whether there are labels
        self.streams: Streams | None = None
        self.views = Noisy(seen, noise, max(encoder.dim, seen["channels"] * seen["size"] ** 2))
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(seen[name]).view(-1, 1, 1))

    def prepare(self, source: Source) -> None:
        """Create the classifier if there are labels. Raises UserError if all have the same."""
        if self.fine_tune and (source.labels >= 0).any():
            self.head = nn.Linear(self.encoder.dim, classes_of(source, "stacked_denoising"))
            self.streams = Streams(source.labels, 0.5)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Half of each batch is labelled if only some samples are; otherwise a permutation."""
        return super().order(epoch, seed, n) if self.streams is None else self.streams.order(epoch, seed)

    def stage(self, progress: float) -> int:
        """Return the number of the layer in training, from 0, or L when labels are."""
        if self.head is None:
            return min(int(progress * self.depth), self.depth - 1)
        last = 1 - self.fine_tune
        return self.depth if progress >= last else min(int(progress / last * self.depth), self.depth - 1)

    def targets(self) -> tuple[str, ...]:
        """Return the clean input of the layer in training: the layers below it stay as they are."""
        return ("code",)

    def forward(self, clean: Tensor, noise: Tensor, clock: Clock, label: Tensor | None = None, **_: Any) -> Outputs:
        """Return the loss of the stage.

        For a layer also "error", the mean squared error at corrupted coordinates, and "untouched", the same of the
        corrupted code itself; for labels the "accuracy".
        """
        layer = self.stage(clock.progress)
        if layer == self.depth:
            return self.classified(clean, label)
        target = stopped("code", self.code(clean, layer))  # [B, d]
        corrupt, mask = damaged(self.noise, target, noise[:, : target.shape[1]], self.level)
        z = self.rebuild(corrupt, layer)
        bounded = layer == 0 or self.bounded
        each = F.binary_cross_entropy_with_logits(z, target, reduction="none") if bounded else (z - target) ** 2 / 2
        with torch.no_grad():
            count = mask.sum().clamp(min=1)
            error, untouched = (
                ((x - target) ** 2 * mask).sum() / count for x in (z.sigmoid() if bounded else z, corrupt)
            )
        return {"loss": each.sum() / len(target), "error": error, "untouched": untouched, "layer": layer + 1.0}

    def code(self, clean: Tensor, layer: int) -> Tensor:
        """Return the clean input of a layer: pixels in [0, 1] for layer 0, otherwise the code below, [B, d]."""
        return self.encoder.layers((clean - self.mean) / self.std)[layer - 1] if layer else clean.flatten(1)

    def rebuild(self, corrupt: Tensor, layer: int) -> Tensor:
        """Encode a corrupted input of a layer and decode it again, [B, d] to [B, d]: logits for values in [0, 1]."""
        linear, decoder = self.encoder.linears[layer], self.decoders[layer]
        if layer == 0:
            side = self.encoder.spec["input"]["size"]
            mean, std = (v.expand(-1, side, side).flatten() for v in (self.mean, self.std))
            corrupt = (corrupt - mean) / std
        z: Tensor = decoder(self.encoder.activation(linear(corrupt)), [linear], self.encoder.activation)
        return z

    def classified(self, clean: Tensor, label: Tensor | None) -> Outputs:
        """Return the cross-entropy of the labelled samples through all layers, 0 if there are none in the batch."""
        assert self.head is not None and label is not None
        logits = self.head(self.encoder((clean - self.mean) / self.std))
        return labelled_cross_entropy(logits, label)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Forget the optimiser's state between two stages."""
        after = min((clock.step + 1) / max(clock.steps, 1), 1.0)
        if self.stage(after) != self.stage(clock.progress):
            clock.reset("main")

    def show(self, clean: Tensor, noise: Tensor, **_: Any) -> list[Pictures]:
        """Show images, the corrupted ones, and what is rebuilt of them through the first layer and through all."""
        corrupt = damaged(self.noise, clean.flatten(1), noise[:, : clean[0].numel()], self.level)[0]
        deep = self.encoder.layers((corrupt.view_as(clean) - self.mean) / self.std)[-1]
        for layer in range(self.depth - 1, -1, -1):
            deep = self.decoders[layer](deep, [self.encoder.linears[layer]], self.encoder.activation)
            deep = deep.sigmoid() if layer == 0 or self.bounded else deep
        shown = {
            "clean": clean,
            "damaged": corrupt.view_as(clean),
            "rebuilt through the first layer": self.rebuild(corrupt, 0).sigmoid().view_as(clean),
            f"rebuilt through all {self.depth} layers": deep.view_as(clean),
        }
        seen = self.encoder.spec["input"]
        return [Pictures(k, list(denormalise((x - self.mean) / self.std, seen))) for k, x in shown.items()]
