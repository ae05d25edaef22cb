"""Some rows of each sample of a batch, other ones in each."""

from __future__ import annotations

from torch import Tensor


def chosen(x: Tensor, index: Tensor) -> Tensor:
    """Return the rows `index`, int64 [B, K], of each x [B, P, D]: [B, K, D].

    >>> import torch
    >>> chosen(torch.tensor([[[1], [2]], [[3], [4]]]), torch.tensor([[1], [0]])).flatten().tolist()
    [2, 3]
    """
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))
