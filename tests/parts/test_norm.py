"""Split batch norm: one group is torch's, several are torch's on each group, and two ranks are one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from selftaught.contract.ranks import Ranks
from selftaught.parts.norm import BatchNorm1d, BatchNorm2d, average_running_statistics, set_groups

SHAPES = [
    (BatchNorm1d, nn.BatchNorm1d, (12, 5)),
    (BatchNorm1d, nn.BatchNorm1d, (12, 5, 3)),
    (BatchNorm2d, nn.BatchNorm2d, (12, 5, 4, 4)),
]


def randomised(norm: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    return norm


@pytest.mark.parametrize(("ours", "torchs", "shape"), SHAPES)
def test_one_group_is_torchs(ours: type, torchs: type, shape: tuple[int, ...]) -> None:
    a, b = randomised(ours(5)), randomised(torchs(5))
    x = torch.randn(shape)
    assert torch.equal(a(x), b(x))
    assert a.state_dict().keys() == b.state_dict().keys()
    assert all(torch.equal(a.state_dict()[k], b.state_dict()[k]) for k in a.state_dict())


@pytest.mark.parametrize(("ours", "torchs", "shape"), SHAPES)
@pytest.mark.parametrize("groups", [2, 3, 6])
def test_groups_are_normalised_by_themselves(ours: type, torchs: type, shape: tuple[int, ...], groups: int) -> None:
    norm, x = randomised(ours(5)), torch.randn(shape, requires_grad=True)
    set_groups(norm, groups)
    references = [randomised(torchs(5)) for _ in range(groups)]
    y = norm(x)
    parts = torch.cat([r(p) for r, p in zip(references, x.chunk(groups), strict=True)])
    torch.testing.assert_close(y, parts)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(norm, name), torch.stack([getattr(r, name) for r in references]).mean(0))
    assert int(norm.num_batches_tracked) == 1
    up = torch.randn(shape)
    torch.testing.assert_close(*(torch.autograd.grad((v * up).sum(), x)[0] for v in (y, parts)))
    norm.eval()
    assert torch.equal(
        norm(x[:7]), nn.functional.batch_norm(x[:7], norm.running_mean, norm.running_var, norm.weight, norm.bias, False)
    )


def test_a_batch_that_does_not_divide_is_refused() -> None:
    norm = BatchNorm1d(5)
    set_groups(norm, 5)
    with pytest.raises(ValueError, match="a batch of 12 samples cannot be split into 5 equal groups"):
        norm(torch.randn(12, 5))


def on_rank(shape: tuple[int, ...], groups: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """What each rank runs on its half of a batch: outputs, the gradient in the inputs, and the state."""
    from selftaught.parts.gather import average, rank, world

    norm = randomised(BatchNorm1d(5) if len(shape) == 2 else BatchNorm2d(5))
    x, up = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)).chunk(world(), 1)[rank()]
    set_groups(norm, groups, world())
    y = norm(x.requires_grad_())
    (y * up).sum().backward()
    average_running_statistics(norm)
    state = {k: v.clone() for k, v in norm.state_dict().items()}
    for name in ("weight", "bias"):  # what a training would get: the mean over ranks
        state[f"{name} gradient"] = average(getattr(norm, name).grad.clone()) * world()
    return y.detach(), x.grad, state


@pytest.mark.parametrize("shape", [(16, 5), (16, 5, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_two_ranks_are_one(groups: int, shape: tuple[int, ...], ranks: Ranks) -> None:
    y, slope, state = on_rank(shape, groups)
    (y0, slope0, s0), (y1, slope1, s1) = ranks.call("parts.test_norm", "on_rank", shape=shape, groups=groups)
    torch.testing.assert_close(torch.cat([y0, y1]), y)
    torch.testing.assert_close(torch.cat([slope0, slope1]), slope)
    for k, v in state.items():
        torch.testing.assert_close(s0[k], v, rtol=1e-5, atol=1e-5)
        assert torch.equal(s0[k], s1[k])


def test_one_sample_a_rank_is_enough_for_a_group_over_ranks(ranks: Ranks) -> None:
    (y0, _, _), (y1, _, _) = ranks.call("parts.test_norm", "on_rank", shape=(2, 5), groups=1)
    torch.testing.assert_close(torch.cat([y0, y1]), on_rank((2, 5), 1)[0])
