"""The detector: an encoder, a pyramid over its layers, and heads that say class, box and centre-ness of a point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.evaluate.detection.geometry import boxes_of, iou_loss, nms
from selftaught.evaluate.detection.targets import LEFT_OUT, Grid, Targets, grid, targets
from selftaught.evaluate.detection.views import BoxedViews
from selftaught.method import Encoder, Method, Outputs, Player, Source
from selftaught.parts.norm import BatchNorm2d
from selftaught.parts.still import still

PRIOR = 0.01
"""What every point says of every class before training: an object is rare."""
ALPHA, GAMMA = 0.25, 2.0
"""Of the focal loss: Lin et al., ICCV 2017 (arXiv 1708.02002)."""
LEAST_SCORE, CANDIDATES, OVERLAP, MOST = 0.05, 300, 0.6, 100
"""Found are boxes of at least this score; the best so many of a picture, before they suppress each other above this
overlap, and so many after it."""
GROUPS = 8


class Said(NamedTuple):
    """What the heads say of all points: logits [B, P, K], distances in pixels [B, P, 4], centre-ness logits [B, P]."""

    classes: Tensor
    distances: Tensor
    centreness: Tensor


class Found(NamedTuple):
    """The boxes found in one picture, best first: float [N, 4] in pixels of the canvas, [N] in [0, 1], int64 [N]."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor


@final
class Pyramid(nn.Module):
    """Lin et al., CVPR 2017 (arXiv 1612.03144): each level is its layer and what the coarser levels say, added.

    Layers of encoders that learned without labels have any scale, so each is normalised first (He et al. 2020 add a
    batch norm behind the last block for the same reason). Levels beyond the encoder's layers are strided convolutions
    of the last.
    """

    def __init__(self, channels: Sequence[int], levels: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(BatchNorm2d(c) for c in channels)
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        self.further = nn.ModuleList(nn.Conv2d(width, width, 3, 2, 1) for _ in range(levels - len(channels)))

    def forward(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """Map [B, C, h, w] each, the finest first, to [B, width, h, w] each."""
        maps = [lateral(norm(x)) for lateral, norm, x in zip(self.laterals, self.norms, layers, strict=True)]
        for level in range(len(maps) - 2, -1, -1):
            maps[level] = maps[level] + F.interpolate(maps[level + 1], size=maps[level].shape[2:], mode="nearest")
        maps = [smooth(x) for smooth, x in zip(self.smooth, maps, strict=True)]
        for further in self.further:
            maps.append(further(F.relu(maps[-1])))
        return maps


@final
class Heads(nn.Module):
    """Two towers of convolutions, shared by all levels: one says the classes, one the box and the centre-ness."""

    def __init__(self, width: int, depth: int, classes: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        towers = [
            nn.Sequential(
                *(layer for _ in range(depth) for layer in
                  (nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(GROUPS, width), nn.ReLU()))
            )
            for _ in range(2)
        ]  # fmt: skip
        self.class_tower, self.box_tower = towers
        self.classes = nn.Conv2d(width, classes, 3, padding=1)
        self.box = nn.Conv2d(width, 4, 3, padding=1)
        self.centreness = nn.Conv2d(width, 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(strides)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        for tower in towers:
            for module in tower.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.classes.bias = nn.Parameter(torch.full((classes,), -math.log((1 - PRIOR) / PRIOR)))
        self.box.bias = nn.Parameter(torch.full((4,), math.log(2.0)))  # boxes of four strides, until it knows better

    def forward(self, maps: Sequence[Tensor]) -> Said:
        """Map the levels, [B, width, h, w] each, to what is said of all their points."""
        said = []
        for x, stride, scale in zip(maps, self.strides, self.scales, strict=True):
            boxes = self.box_tower(x)
            distances = torch.exp((scale * self.box(boxes)).clamp(max=8.0)) * stride
            said.append(
                [part.flatten(2).transpose(1, 2) for part in
                 (self.classes(self.class_tower(x)), distances, self.centreness(boxes))]
            )  # fmt: skip
        classes, distances, centre = (torch.cat(parts, 1) for parts in zip(*said, strict=True))
        return Said(classes, distances, centre[..., 0])


@final
class Detector(Method):
    """FCOS around an encoder, trained on boxes.

    Each point of the feature maps says the class of the object that it is in, its distances l, t, r, b to the sides of
    the object's box, and how near it is to the centre. With the sums over points, N the points that are in an object
    and c their centre-ness::

        L = 1/N sum focal(p, class) + sum c (-log IoU(box, box*)) / sum c + 1/N sum BCE(centre-ness, c)

    A box found has the score sqrt(p * centre-ness).

    **Departures.** One to three levels on the encoder's own layers instead of five on a ResNet's. `width` and `depth`
    of the heads are a quarter and a half of the paper's, for pictures of some hundred pixels. The forms of the authors'
    later code: points near the centre of a box only, GroupNorm in the towers, centre-ness beside the box, losses of
    boxes weighted by centre-ness, the root in the score.

    Args:
        encoder: The body.
        classes: Number of classes.
        canvas: Height and width of the pictures in pixels.
        levels: Number of levels, 1 to 3.
        stride: Stride of the finest level in pixels: of the layers with this stride or more, the finest.
        width: Channels of the pyramid and the towers, a multiple of 8.
        depth: Convolutions in a tower.
        frozen: A copy of the encoder stays as it is, running statistics included.
        trunk: Learning rate of the encoder, as a share of that of the rest.
        flip: See `BoxedViews`.
        zoom: See `BoxedViews`.

    Raises UserError if the encoder has no layers with rows and columns.
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        canvas: tuple[int, int],
        levels: int = 2,
        stride: int = 8,
        width: int = 64,
        depth: int = 2,
        frozen: bool = False,
        trunk: float = 1.0,
        flip: float = 0.5,
        zoom: float = 0.2,
    ) -> None:
        super().__init__()
        encoder = still(encoder) if frozen else encoder
        self.encoder, self.canvas, self.frozen, self.trunk = encoder, canvas, frozen, trunk
        shapes = _shapes(encoder, canvas)
        self.taken = taken(shapes, canvas, levels, stride)
        found = [shapes[i] for i in self.taken]
        strides = [round(canvas[0] / shape[1]) for shape in found]
        sides = [(shape[1], shape[2]) for shape in found]
        for _ in range(levels - len(found)):
            strides.append(2 * strides[-1])
            sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
        self.pyramid = Pyramid([shape[0] for shape in found], levels, width)
        self.heads = Heads(width, depth, classes, strides)
        self.grid = grid(sides, strides)
        self.views = BoxedViews(encoder.spec["input"], canvas, flip, zoom)

    def train(self, mode: bool = True) -> Detector:
        """Set the mode of all but a frozen encoder."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def prepare(self, source: Source) -> None:
        """Nothing depends on the data but the canvas and the classes, which are arguments."""

    def players(self) -> list[Player]:
        """Return one player: the encoder at its share of the learning rate, and the rest."""
        heads = [p for part in (self.pyramid, self.heads) for p in part.parameters()]
        body = [p for p in self.encoder.parameters() if p.requires_grad]
        groups = [{"params": body, "lr_scale": self.trunk}] if body else []
        return [Player("main", [*groups, {"params": heads}])]

    def say(self, image: Tensor) -> Said:
        """Map pictures [B, C, H, W] to what is said of all points."""
        if self.frozen:
            with torch.no_grad():
                layers = self.encoder.layers(image)
        else:
            layers = self.encoder.layers(image)
        said: Said = self.heads(self.pyramid([layers[i] for i in self.taken]))
        return said

    def forward(self, image: Tensor, boxes: Tensor, classes: Tensor, ignored: Tensor, **_: Any) -> Outputs:
        """Return the loss and its parts; see `BoxedViews` for the arguments."""
        said = self.say(image)
        wanted = targets(Grid(*(part.to(image.device) for part in self.grid)), boxes, classes, ignored)
        parts = losses(said, wanted)
        return {"loss": sum(parts.values()), **{name: value.detach() for name, value in parts.items()}}

    @torch.no_grad()
    def find(self, image: Tensor) -> list[Found]:
        """Return the boxes in pictures [B, C, H, W], cut at the border of the canvas."""
        said = self.say(image)
        at = self.grid.points.to(image.device)
        height, width = self.canvas
        border = torch.tensor([width, height, width, height], device=image.device)
        boxes = torch.minimum(boxes_of(at, said.distances).clamp(min=0), border)  # [B, P, 4]
        scores = torch.sqrt(said.classes.float().sigmoid() * said.centreness.float().sigmoid()[..., None])
        found = []
        for mine, score in zip(boxes, scores, strict=True):
            best, where = score.flatten().topk(min(CANDIDATES, score.numel()))
            best, where = best[best > LEAST_SCORE], where[best > LEAST_SCORE]
            point, label = where // score.shape[1], where % score.shape[1]
            kept = nms(mine[point], best, label, OVERLAP)[:MOST]
            found.append(Found(mine[point[kept]], best[kept], label[kept]))
        return found


def losses(said: Said, wanted: Targets) -> Mapping[str, Tensor]:
    """Return the three losses of the `Detector`, by name."""
    inside = wanted.classes >= 0  # [B, P]
    count = inside.sum().clamp(min=1)
    counted = wanted.classes != LEFT_OUT
    one_hot = F.one_hot(wanted.classes.clamp(min=0), said.classes.shape[2]).to(said.classes) * inside[..., None]
    found = {"class_loss": focal(said.classes[counted], one_hot[counted]) / count}
    weight = wanted.centreness[inside]
    overlap = iou_loss(said.distances[inside], wanted.distances[inside])
    found["box_loss"] = (overlap * weight).sum() / weight.sum().clamp(min=1e-6)
    found["centre_loss"] = F.binary_cross_entropy_with_logits(said.centreness[inside], weight, reduction="sum") / count
    return found


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Return the sum of -alpha_t (1 - p_t)^gamma log p_t, where p_t is the probability of what is so."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    right = torch.exp(-entropy)
    weight = ALPHA * target + (1 - ALPHA) * (1 - target)
    return (weight * (1 - right) ** GAMMA * entropy).sum()


def _shapes(encoder: Encoder, canvas: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Return channels, height and width of the layers of an encoder; (0, 0, 0) for those without rows and columns."""
    training = {module: module.training for module in encoder.modules()}
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    with torch.no_grad():
        encoder.eval()
        layers = encoder.layers(torch.zeros(1, encoder.spec["input"]["channels"], *canvas, device=device))
    for module, mode in training.items():
        module.training = mode
    return [(*map(int, layer.shape[1:]),) if layer.ndim == 4 else (0, 0, 0) for layer in layers]  # type: ignore[misc]


def taken(shapes: Sequence[tuple[int, int, int]], canvas: tuple[int, int], levels: int, stride: int) -> list[int]:
    """Return which layers become levels, the finest first: of each resolution the last layer, at most `levels`.

    Taken are those with `stride` or more; without such a layer the coarsest. Raises UserError if no layer has rows and
    columns.
    """
    last: dict[tuple[int, int], int] = {}
    for i, (_, height, width) in enumerate(shapes):
        if height > 0:
            last[height, width] = i
    if not last:
        raise UserError("the encoder has no layers with rows and columns, which detection needs: use another encoder")
    fitting = [i for (height, _), i in last.items() if round(canvas[0] / height) >= stride]
    return sorted(fitting or [max(last.values())], key=lambda i: -shapes[i][1])[:levels]
