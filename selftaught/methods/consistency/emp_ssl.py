"""EMP-SSL."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient
from selftaught.parts.heads import projection
from selftaught.parts.matching import matching
from selftaught.parts.multi_crop import by_size
from selftaught.parts.spread import spread
from selftaught.views.image import Augment, ImageViews
from selftaught.views.multi_crop import multi_crop


@final
class EMPSSL(Method):
    """Pull many small patches of an image to their mean, and let the patches of different images fill all directions.

    Tong, Chen, Ma, LeCun 2023 (arXiv 2304.03977), "EMP-SSL: Towards Self-Supervised Learning in One Training Epoch".
    Many patches of an image in one step, instead of two views in many epochs, make it converge in a few epochs. The
    total coding rate, the volume that the patches of all images span, prevents a collapse.

    With Z_v [N, d] the projections of patch v of the N images of all ranks, rows of length 1, and c the mean of the
    projections of all V patches of the same image::

        R(Z) = 1/2 log det(I + d / (N epsilon) Z^T Z)
        L = -weight * mean_v mean_n cos(z_vn, c_n) - mean_v R(Z_v)

    Shapes: views is a list of V [B, C, S, S]; z is [B, dim]. R is that of each patch number by itself. It is 1/2 log(1
    + d / epsilon) when all rows are equal, and at most d/2 log(1 + 1 / epsilon).

    As there are no labels to predict, "accuracy" is how often a patch's centred projection is closest in direction,
    among the batch, to that of another patch of its image; "similarity" is the mean cosine, "coding_rate" is R as a
    fraction of its maximum for this batch: 1 when all rows are orthogonal. "spread" is 1 when healthy and 0 when
    collapsed.

    The authors judge the mean of the features of 128 patches of an image, drawn as in the training: ``selftaught probe
    RUN --patches 128``. One whole image gives another number.

    The area of a patch, its look, weight and epsilon are the released code's for CIFAR-10, which has 20 patches, a head
    4096 wide and 1024 dimensions, and keeps the head's first layer as the features. Departures: the encoder's own
    features are kept; the paper's epsilon is squared (the code's, and ours, is not); the default recipe is AdamW for a
    few minutes instead of LARS 0.3 with batches of 100 images.

    Args:
        dim: Dimension d of the projections.
        hidden: Units of the head's hidden layers.
        depth: Number of linear layers in the head, at least 1.
        patches: Number V of patches of an image in a step, at least 2.
        size: Side of a patch in pixels after resizing. 0 = the encoder's image size.
        area: Area of a patch as a fraction of the image, in (0, 1]. All patches have this area.
        weight: Weight of the similarity, at least 0.
        epsilon: Distortion of the coding rate, greater than 0. Smaller values weigh small directions more.
        strength: Strength of the colour jitter: brightness, contrast and saturation 0.4, hue 0.2 times this value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the patch to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.
        solarise: Probability of solarising the patch: values of at least 0.5 are inverted.

    Raises:
        UserError: An argument is out of range, or patches have another size than an encoder of a fixed image size.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        hidden: int = 512,
        depth: int = 3,
        patches: int = 8,
        size: int = 0,
        area: float = 0.25,
        weight: float = 200.0,
        epsilon: float = 0.2,
        strength: float = 1.0,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.1,
        solarise: float = 0.1,
    ) -> None:
        super().__init__()
        if depth < 1 or patches < 2:
            raise UserError(f"depth of emp_ssl must be at least 1 and patches at least 2, not {depth} and {patches}")
        if weight < 0 or epsilon <= 0:
            raise UserError(
                f"weight of emp_ssl must be at least 0 and epsilon greater than 0, not {weight} and {epsilon}"
            )
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth, last="none")
        self.weight, self.epsilon, self.size = weight, epsilon, size or encoder.spec["input"]["size"]
        self.look = Augment(
            crop=(area, area), ratio=(1.0, 1.0), flip=flip, jitter=(0.4 * strength,) * 3 + (0.2 * strength,),
            grey=grey, blur=blur, solarise=solarise,
        )  # fmt: skip
        self.views = self.patched(patches)

    def patched(self, count: int) -> ImageViews:
        """Return views of `count` random patches, as in the training."""
        views = multi_crop(self.encoder, [], self.look, count, self.size)
        return ImageViews(self.encoder.spec["input"], views=views)

    def terms(self) -> Terms:
        """Return the two terms: each sees all patches."""
        return dict.fromkeys(("similarity", "coding_rate"), ("encoder", "head", "views"))

    def forward(self, views: list[Tensor], **_: Any) -> Outputs:
        """Return the loss and its two terms over the images of all ranks."""
        projected = [F.normalize(one.float(), dim=1) for one in by_size(self.encoder, self.head, views)]
        z = torch.stack([gather_with_gradient(one) for one in projected])  # [V, N, dim]
        similarity = F.cosine_similarity(z, z.mean(0, keepdim=True), dim=2).mean()
        rate = torch.stack([coding_rate(one, self.epsilon) for one in z]).mean()
        return {
            "loss": -self.weight * similarity - rate,
            **matching(z[0] - z[0].mean(0), z[1] - z[1].mean(0)),
            "spread": spread(z.flatten(0, 1)),
            "similarity": similarity,
            "coding_rate": rate / largest_rate(z.shape[1], z.shape[2], self.epsilon),
        }


def coding_rate(z: Tensor, epsilon: float) -> Tensor:
    """Return the total coding rate of the rows of z [N, D]: 1/2 log det(I + D / (N epsilon) Z^T Z)."""
    n, d = z.shape
    with torch.autocast(z.device.type, enabled=False):
        gram = z @ z.T if n < d else z.T @ z  # both have the same determinant
        volume: Tensor = torch.logdet(torch.eye(len(gram), device=z.device, dtype=z.dtype) + d / (n * epsilon) * gram)
    return volume / 2


def largest_rate(n: int, d: int, epsilon: float) -> float:
    """Return the coding rate of n rows of length 1 in d dimensions that are spread as widely as possible."""
    k = min(n, d)
    return k / 2 * math.log(1 + d / (k * epsilon))
