"""A product quantiser: vectors become one of a few entries in each of several groups, with gradients."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.gather import gather, gather_with_gradient
from selftaught.parts.target import target


class Quantised(NamedTuple):
    """What a quantiser makes of vectors [..., D]."""

    vectors: Tensor
    """[..., width]: the chosen entries, one group after the other."""
    chosen: Tensor
    """int64 [..., G]: the number of the entry of each group."""
    odds: Tensor
    """[..., G, V]: softmax of the logits, without noise and temperature."""
    logits: Tensor
    """[..., G, V], before the centre is taken off."""


@final
class ProductQuantiser(nn.Module):
    """Jegou et al. 2011; learned by the Gumbel softmax of Jang et al. 2016 (arXiv 1611.01144), straight-through.

    With logits l of the layer-normalised vector, their moving mean m and deviation d, u uniform and temperature t::

        a_gv = sharpness * (l_gv - m_gv) / d_g,    n = -log(-log u)
        chosen_g = argmax_v a_gv + n_gv;    gradients are those of softmax((a_g + n_g) / t)

    In eval mode there is no noise. Codes have much in common, and without m an entry that fits what they have in common
    is that of most of them. Without d, logits shrink until the noise chooses. Until `follow` is called, a = l.

    Args:
        dim: Width of the vectors.
        groups: Number G of groups.
        entries: Number V of entries in each group.
        width: Width of what comes out; a multiple of `groups`.
        sharpness: Standard deviation that the logits get, above 0.

    Raises:
        UserError: A value is out of range.
    """

    centre: Tensor
    deviation: Tensor

    def __init__(self, dim: int, groups: int, entries: int, width: int, sharpness: float = 3.0) -> None:
        super().__init__()
        if groups < 1 or entries < 2 or width < groups or width % groups:
            raise UserError(
                "a quantiser needs at least 1 group, 2 entries, and a width that its groups divide, not "
                f"{groups}, {entries} and {width}"
            )
        if sharpness <= 0:
            raise UserError(f"sharpness of a quantiser must be greater than 0, not {sharpness}")
        self.sharpness = sharpness
        self.norm = nn.LayerNorm(dim)
        self.choose = nn.Linear(dim, groups * entries)
        self.entries = nn.Parameter(torch.rand(groups, entries, width // groups))
        nn.init.normal_(self.choose.weight)  # the largest logit of every vector is far above the others, and another
        nn.init.zeros_(self.choose.bias)
        self.register_buffer("centre", torch.zeros(groups, entries))
        self.register_buffer("deviation", torch.full((groups,), float(sharpness)))

    @property
    def shape(self) -> tuple[int, int]:
        """Groups and entries."""
        return self.entries.shape[0], self.entries.shape[1]

    def forward(self, x: Tensor, noise: Tensor, temperature: float) -> Quantised:
        """Quantise x [..., D] with uniform numbers `noise`, [..., G, V], in [0, 1)."""
        logits = self.choose(self.norm(x)).unflatten(-1, self.shape)
        drawn = apart = self.sharpness * (logits - self.centre) / self.deviation[:, None]
        if self.training:
            drawn = (apart - noise.clamp(min=1e-20).log().neg().clamp(min=1e-20).log()) / temperature
        soft, chosen = drawn.softmax(-1), drawn.argmax(-1)
        hard = F.one_hot(chosen, self.shape[1]).to(soft)
        picked = target("codes", hard - soft) + soft
        return Quantised(
            torch.einsum("...gv,gve->...ge", picked, self.entries).flatten(-2), chosen, apart.softmax(-1), logits
        )

    def follow(self, logits: Tensor, squares: Tensor, momentum: float) -> None:
        """Move the centre towards mean logits, [G, V], and the deviation towards that of `squares`; see `moments`."""
        self.centre.lerp_(logits, 1 - momentum)
        self.deviation.copy_(torch.lerp(self.deviation.square(), squares, 1 - momentum).clamp(min=1e-8).sqrt())

    def moments(self, found: Quantised, where: Tensor) -> dict[str, Tensor]:
        """Return what `follow` needs the means of, for each sample: sums over its positions `where`, bool [B, P].

        "logits" [B, G, V]; "squares" [B, G], of their distance from the centre, the mean over entries; "hidden" [B],
        the number of positions.
        """
        logits, weight = found.logits.detach(), where.to(found.logits)
        squares = (logits - self.centre).square().mean(3)  # [B, P, G]
        return {
            "logits": torch.einsum("bp,bpgv->bgv", weight, logits),
            "squares": torch.einsum("bp,bpg->bg", weight, squares),
            "hidden": weight.sum(1),
        }


def usage(found: Quantised, where: Tensor) -> dict[str, Tensor]:
    """Return how evenly the entries are used at the positions `where` [...] of all ranks.

    "diversity", with gradients: 1 - exp(H(p_g)) / V for the mean odds p_g of group g, the mean over groups: 0 where all
    entries are as likely, at most 1 - 1 / V. "perplexity": exp(H) of the chosen entries, in [1, V], the mean over
    groups. "codes": the share of all entries that are chosen at least once.
    """
    weight, entries = where[..., None, None].to(found.odds), found.odds.shape[-1]
    axes = tuple(range(where.ndim))
    count = gather(where.sum()[None].to(found.odds)).sum().clamp(min=1)
    mean = gather_with_gradient((found.odds * weight).sum(axes)[None]).sum(0) / count  # [G, V]
    hard = gather((F.one_hot(found.chosen, entries) * weight).sum(axes)[None]).sum(0) / count
    return {
        "diversity": 1 - perplexity(mean).mean() / entries,
        "perplexity": perplexity(hard).mean(),
        "codes": (hard > 0).to(mean).mean(),
    }


def perplexity(p: Tensor) -> Tensor:
    """Return exp(H(p)) of probabilities [..., V], in [1, V]."""
    found: Tensor = torch.special.entr(p).sum(-1).exp()
    return found
