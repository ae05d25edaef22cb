"""A linear chain: which tag follows which."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class LinearChain(nn.Module):
    """A conditional random field over the K tags of a sequence (Lafferty, McCallum, Pereira 2001).

    With scores s_t of the tags at each place, and a, b and A learned::

        log P(y) = a[y_1] + sum_t s_t[y_t] + sum_t A[y_t, y_{t+1}] + b[y_T] - log Z

    All are 0 at first: each place is then a softmax of its own. Places are padded at the end; no sequence is empty.

    Args:
        tags: K.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.first, self.last = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))

    def forward(self, scores: Tensor, there: Tensor, tags: Tensor) -> Tensor:
        """Return log P of each sequence's tags, [N].

        Args:
            scores: [N, T, K].
            there: bool [N, T], False for padding.
            tags: int64 [N, T], any in padding.
        """
        tags = tags.where(there, 0)
        own = (scores.gather(2, tags[..., None])[..., 0] * there).sum(1)
        steps = (self.transitions[tags[:, :-1], tags[:, 1:]] * there[:, 1:]).sum(1)
        ends = tags.gather(1, there.sum(1, keepdim=True) - 1)[:, 0]
        log_z = (self._before(scores, there)[:, -1] + self.last).logsumexp(1)
        return self.first[tags[:, 0]] + own + steps + self.last[ends] - log_z

    def log_marginals(self, scores: Tensor, there: Tensor) -> Tensor:
        """Return log P of each tag at each place, [N, T, K], by the forward and the backward algorithm."""
        after = [self.last.expand(len(scores), -1)]
        for t in range(scores.shape[1] - 1, 0, -1):
            b = (self.transitions + (scores[:, t] + after[-1])[:, None, :]).logsumexp(2)
            after.append(torch.where(there[:, t, None], b, after[-1]))
        return (self._before(scores, there) + torch.stack(after[::-1], 1)).log_softmax(2)

    @torch.no_grad()
    def best(self, scores: Tensor, there: Tensor) -> Tensor:
        """Return the most probable tags of each sequence, int64 [N, T], by Viterbi's algorithm; any in padding."""
        value, came = self.first + scores[:, 0], list[Tensor]()
        stay = torch.arange(scores.shape[2], device=scores.device)
        for t in range(1, scores.shape[1]):
            most, where = (value[:, :, None] + self.transitions).max(1)
            value = torch.where(there[:, t, None], most + scores[:, t], value)
            came.append(torch.where(there[:, t, None], where, stay))
        tag = (value + self.last).argmax(1, keepdim=True)
        path = [tag]
        for where in reversed(came):
            tag = where.gather(1, tag)
            path.append(tag)
        return torch.cat(path[::-1], 1)

    def _before(self, scores: Tensor, there: Tensor) -> Tensor:
        """Return log of the sum over all beginnings that end at each place in each tag, [N, T, K]."""
        a = [self.first + scores[:, 0]]
        for t in range(1, scores.shape[1]):
            b = (a[-1][:, :, None] + self.transitions).logsumexp(1) + scores[:, t]
            a.append(torch.where(there[:, t, None], b, a[-1]))
        return torch.stack(a, 1)
