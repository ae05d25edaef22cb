from __future__ import annotations

import torch
from evaluate.stand_ins import INPUT
from torch import nn

from selftaught import encoders
from selftaught.evaluate.folded import folded


def test_batch_norm_is_folded_into_the_convolution_before_it() -> None:
    encoder = encoders.build("conv", INPUT, **encoders.small("conv"))
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                for tensor in (part.weight, part.running_var, part.bias, part.running_mean):
                    tensor.uniform_(0.5, 2.0)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    quick = folded(encoder)
    assert not [part for part in quick.modules() if isinstance(part, nn.BatchNorm2d)]
    x = torch.randn(5, INPUT["channels"], INPUT["size"], INPUT["size"])
    torch.testing.assert_close(quick(x), encoder.eval()(x), atol=1e-5, rtol=1e-5)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name  # a copy: the encoder itself is as it was
