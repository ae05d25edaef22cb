"""An encoder that a method uses and does not train."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def still(network: Network) -> Network:
    """Return a copy of a network in eval mode, whose parameters want no gradients. The network itself is not changed.

    >>> given = nn.Linear(2, 2)
    >>> still(given).weight.requires_grad, given.weight.requires_grad, given.training
    (False, True, True)
    """
    return copy.deepcopy(network).requires_grad_(False).eval()
