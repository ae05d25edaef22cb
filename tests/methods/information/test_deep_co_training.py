from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.information.deep_co_training import DeepCoTraining

SMALL = {"symbols": 16, "codes": 4}
"""Arguments that fit the method to the toys of the contract."""
LEARNS = {"sharp": 2.0}
"""What it needs besides to learn the toy."""
VARIANTS = ({"hidden": 7, "memory": 0.0},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {"beta": 0.7, "symbols": 5, "codes": 3, "memory": 0.1, "hidden": 9, "sharp": 2.0}
TABLES = {
    "mixed": [[0.3, 0.1, 0.0], [0.05, 0.25, 0.1], [0.0, 0.05, 0.15]],
    "independent": [[0.06, 0.14], [0.24, 0.56]],
    "equal": [[0.25, 0.0], [0.0, 0.75]],
}


def entropy(p: Tensor) -> float:
    return float(torch.special.entr(p).sum())


def made(bench: Any, **arguments: Any) -> DeepCoTraining:
    torch.manual_seed(0)
    return DeepCoTraining(bench.encoder("mlp"), **(SMALL | arguments))


def given(method: DeepCoTraining, x: Tensor, y: Tensor) -> dict[str, Any]:
    """What `forward` says where the halves have these probabilities of symbols, [B, codes, V] each."""
    method.code = lambda half, mask: x if half == "x" else y  # type: ignore[assignment,method-assign]
    found: dict[str, Any] = method("x", "y")
    return found


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
def test_the_objective_of_a_joint_table_is_exact(bench: Any, name: str, beta: float) -> None:
    table = torch.tensor(TABLES[name])
    pairs = torch.repeat_interleave(torch.arange(table.numel()), (table * 100).round().long().flatten())
    v = len(table)
    x, y = (F.one_hot(side, v).float()[:, None] for side in (pairs // v, pairs % v))
    rate, other, both = entropy(table.sum(1)), entropy(table.sum(0)), entropy(table)
    found = given(made(bench, beta=beta, symbols=v, codes=1, memory=0.0), x, y)
    information = rate + other - both
    assert found["loss"].item() == pytest.approx(beta * rate - information, abs=1e-5)
    assert found["information"].item() == pytest.approx(information / math.log(2), abs=1e-5)
    assert found["rate"].item() == pytest.approx(rate / math.log(2), abs=1e-5)
    best = table.max(0).values.sum().item()  # from each second symbol the likeliest first one
    assert found["accuracy"].item() == pytest.approx(best, abs=0.01)
    assert found["chance"].item() == pytest.approx(table.sum(1).max().item(), abs=1e-6)


def test_a_constant_code_is_worth_nothing_and_costs_nothing(bench: Any) -> None:
    constant = torch.tensor([0.0, 1.0, 0.0]).expand(12, 1, 3)
    found = given(made(bench, symbols=3, codes=1), constant, constant)
    assert all(abs(found[name].item()) < 1e-5 for name in ("loss", "rate", "information"))


def test_the_gradient_is_that_of_the_entropies(bench: Any) -> None:
    """The tables are held, and yet the slope is that of I - beta H itself, as the best tables are stationary."""
    torch.manual_seed(1)
    scores = torch.randn(2, 20, 1, 4, dtype=torch.float64, requires_grad=True)
    found = given(made(bench, beta=0.3, symbols=4, codes=1, memory=0.0).double(), *scores.softmax(3))
    (slope,) = torch.autograd.grad(found["loss"], scores)
    x, y = scores.softmax(3)[:, :, 0]
    joint = x.T @ y / 20
    rate, other, both = (torch.special.entr(p).sum() for p in (joint.sum(1), joint.sum(0), joint))
    (exact,) = torch.autograd.grad(0.3 * rate - (rate + other - both), scores)
    assert torch.allclose(slope, exact, atol=1e-7) and exact.abs().max() > 1e-3


def test_the_tables_are_faded_counts(bench: Any) -> None:
    method = made(bench, symbols=2, codes=1, memory=0.5)
    first, second = torch.eye(2)[:, None].split(1)  # two samples of another symbol each
    for x, y in ((first, first), (second, first), (second, second)):
        outputs = given(method, x, y)
        method.after_step(Clock(), outputs)
    assert method.counts[0].tolist() == [[0.25, 0.0], [0.5, 1.0]]
    # the next step counts as much as the last: [[1.125, 0], [.25, .5]] with half of what was there
    found = given(method, first, first)
    assert found["rate"].item() == pytest.approx(-math.log2(1.125 / 1.875), abs=1e-5)
    assert (found["rate"] - found["information"]).item() == pytest.approx(-math.log2(1.125 / 1.375), abs=1e-5)


def test_micro_batches_count_together(bench: Any) -> None:
    method = made(bench, symbols=2, codes=1)
    pairs = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]], [[[0.0, 0.0], [0.0, 1.0]]]])
    method.after_step(Clock(), {"pairs": pairs})
    assert method.counts[0].tolist() == [[0.5, 0.0], [0.0, 0.5]]


def population() -> tuple[Tensor, Tensor]:
    """Pictures of 4 x 4: two halves that share one of 4 symbols, and have one of 2 of their own each. All 16 pairs."""
    shared, one, other = (n.flatten() for n in torch.meshgrid(*map(torch.arange, (4, 2, 2)), indexing="ij"))
    halves = [F.one_hot(2 * shared + own, 16).float().view(-1, 1, 4, 4) for own in (one, other)]
    return halves[0], halves[1]


def trained(beta: float, seed: int) -> tuple[float, float]:
    """Rate and information in bits of codes of 16 symbols for the population."""
    torch.manual_seed(seed)
    seen = {"kind": "image", "size": 4, "channels": 1, "mean": [0.0], "std": [1.0]}
    encoder = encoders.build("mlp", seen, width=32, depth=1)
    method = DeepCoTraining(encoder, beta=beta, symbols=16, codes=1, memory=0.0, sharp=0.5)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    for _ in range(300):
        found = method(*population())
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    return found["rate"].item(), found["information"].item()


def test_the_price_of_memory_lowers_the_rate_and_keeps_what_is_shared() -> None:
    free, dear = ([trained(beta, seed) for seed in range(3)] for beta in (0.0, 0.3))
    for rate, information in (*free, *dear):
        assert 1.8 < information < 2.001  # of the 2 bits that the halves share
        assert information <= rate + 1e-3
    assert sum(rate for rate, _ in free) > sum(rate for rate, _ in dear) + 3 * 0.5


def test_the_best_code_is_what_is_shared_at_any_price(bench: Any) -> None:
    """Symbols for the shared part alone are worth as much as symbols for all, and cheaper."""
    shared, one, other = (n.flatten() for n in torch.meshgrid(*map(torch.arange, (4, 2, 2)), indexing="ij"))
    for beta in (0.1, 0.9):
        method = made(bench, beta=beta, symbols=8, codes=1, memory=0.0)
        whole, alone = (
            given(method, *(F.one_hot(code, 8).float()[:, None] for code in codes))
            for codes in ((2 * shared + one, 2 * shared + other), (shared, shared))
        )
        assert whole["information"].item() == pytest.approx(2, abs=1e-4)
        assert alone["information"].item() == pytest.approx(2, abs=1e-4)
        assert (whole["rate"].item(), alone["rate"].item()) == pytest.approx((3, 2), abs=1e-4)
        assert whole["loss"].item() - alone["loss"].item() == pytest.approx(beta * math.log(2), abs=1e-4)


def test_codes_are_worth_their_mean(bench: Any) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 30, 2, 3).mul(2).softmax(3)
    whole = given(made(bench, symbols=3, codes=2), x, y)
    each = [given(made(bench, symbols=3, codes=1), x[:, [c]], y[:, [c]]) for c in (0, 1)]
    for name in ("loss", "rate", "information", "accuracy", "chance"):
        assert whole[name].item() == pytest.approx(sum(one[name].item() for one in each) / 2, abs=1e-6), name


def test_padding_says_nothing() -> None:
    method = Case("deep_co_training", "signal", SMALL, toy={"uneven": True}).build().eval()
    source = Case("deep_co_training", "signal", toy={"uneven": True}).source(48)
    views = batch(method, source, range(8))
    assert not views["first_mask"].all()
    noisy = {n: views[n] + 5.0 * ~views[f"{n}_mask"][:, None] for n in ("first", "second")}
    zeroed = {n: noisy[n] * views[f"{n}_mask"][:, None] for n in noisy}
    assert method(**views)["loss"] == method(**(views | zeroed))["loss"]
    lengths = [len(row[0]) for row in source.fetch(torch.arange(8).numpy())["signal"]]
    assert views["first_mask"].sum(1).tolist() == [n // 2 for n in lengths]
    alone = method.encoder(views["first"][:1, :, : lengths[0] // 2])
    assert torch.allclose(method.encoder(views["first"], mask=views["first_mask"])[:1], alone, atol=1e-5)


def test_the_report_shows_pairs_of_symbols(bench: Any) -> None:
    method = made(bench, symbols=2, codes=1)
    method.counts[0] = torch.tensor([[3.0, 0.0], [1.0, 4.0]])
    (table,) = method.show(first=None, second=None)
    assert [list(row) for row in table.rows[:2]] == [["1", "1", "50.0%", "31.2%"], ["0", "0", "37.5%", "18.8%"]]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("deep_co_training").arguments]
    assert bench.fingerprint(made(bench, **{argument: OTHERS[argument]}), 3) != bench.fingerprint(made(bench), 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 1.0}, r"beta and memory of deep_co_training must be in \[0, 1\), not 1.0 and 0.9"),
        ({"memory": -0.1}, r"not 0.1 and -0.1"),
        ({"symbols": 1}, "symbols of at least 2"),
        ({"codes": 0}, "codes of at least 1"),
        ({"hidden": -1}, "hidden of at least 0 and sharp above 0, not 16, 4, -1"),
        ({"sharp": 0.0}, "sharp above 0, not 16, 4, 0 and 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(bench, **arguments)
