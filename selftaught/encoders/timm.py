"""Any image network of timm, as ``timm/NAME``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal, final

from torch import Tensor

from selftaught.encoders.adapted import adapt, library
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import pooled, pooled_width, shape_of

FAMILY = "architecture"
"""The argument that the part of the name after the slash gives."""


@final
class Timm(Encoder):
    """A network of timm (Wightman, github.com/huggingface/pytorch-image-models) without its classifier.

    Random weights, or those of a file with timm's names (``--init FILE``); nothing is downloaded. Transformers get the
    image size of the data. Needs the extra ``timm``.

    Args:
        architecture: timm's name of the network, such as resnet18 or vit_tiny_patch16_224.
        patch: Side of a patch of a network that has patches. 0 = that of its name.
        pool: own is timm's pooling of the network (a class token, a mean); mean, max and flatten are those of `conv`.
    """

    sees = ("image",)

    def __init__(
        self,
        input: dict[str, Any],
        architecture: str,
        patch: int = 0,
        pool: Literal["own", "mean", "max", "flatten"] = "own",
    ) -> None:
        super().__init__()
        timm = library("timm", "timm")
        known = timm.list_models()
        if architecture not in known:
            near = get_close_matches(architecture, known, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else "timm.list_models() lists all"
            raise UserError(f"unknown network of timm '{architecture}': {hint}")
        self.spec = {"name": f"timm/{architecture}", "input": input, "patch": patch, "pool": pool}
        given: dict[str, Any] = {"num_classes": 0, "in_chans": input["channels"]}
        own = {"img_size": input["size"]} | ({"patch_size": patch} if patch else {})
        try:
            self.body = timm.create_model(architecture, **given, **own)
        except TypeError as error:  # a network that takes any size has no such argument
            if patch or "img_size" not in str(error):
                raise UserError(f"encoder timm/{architecture} has no patch: leave --encoder.patch out") from error
            self.body = timm.create_model(architecture, **given)
        except (AssertionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"encoder timm/{architecture} cannot be built for images of {input['size']} pixels: {error}"
            ) from error
        adapt(self)
        if pool not in ("own", "mean", "max", "flatten"):
            raise UserError(f"pool of encoder timm/{architecture} must be own, mean, max or flatten, not '{pool}'")
        self.pool: Literal["own", "mean", "max", "flatten"] = pool
        if pool == "own":
            (self.dim,) = shape_of(self.forward, self, input)
        else:
            channels, *sides = shape_of(self.local, self, input)
            self.dim = pooled_width(pool, channels, sides[0] * sides[1])

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the features of every stage or block, [B, C, h, w] each, without class tokens."""
        found: list[Tensor] = self.body.forward_intermediates(x, intermediates_only=True, output_fmt="NCHW")
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, dim]."""
        if self.pool == "own":
            features: Tensor = self.body(x)
            return features
        return pooled(self.pool, self.local(x))
