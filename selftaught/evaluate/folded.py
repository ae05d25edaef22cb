"""A copy of an encoder that computes the same features in less time on a CPU."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import channels_last, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from selftaught.method import Encoder


def folded(encoder: Encoder) -> Encoder:
    """Return a copy in eval mode, in which batch norm is part of the convolution before it.

    In eval mode, batch norm multiplies each channel by a number and adds another: so can the convolution. Only
    neighbours in an `nn.Sequential` are folded, where it is certain that one follows the other. The weights of
    convolutions lie in memory channels last, in which order they take a third less time.
    """
    encoder = copy.deepcopy(encoder).eval()
    for block in [part for part in encoder.modules() if isinstance(part, nn.Sequential)]:
        for (name, convolution), (after, norm) in pairwise(list(block.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                setattr(block, name, fuse_conv_bn_eval(convolution, norm))
                setattr(block, after, nn.Identity())
    for parameter in encoder.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=channels_last)
    return encoder
