"""Whether the gradient of a loss is that of the loss, term by term.

A tensor that is detached by mistake leaves the value of a loss as it is, and training goes on with a part of the
gradient. Finite differences notice it, except where a method says that no gradient is to flow (`parts.target`).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from selftaught.contract.case import batch
from selftaught.method import Batch, Clock, Method, Player, Source
from selftaught.parts.target import held

SAMPLES = 16
STEPS = (1e-8, 1e-9)
"""By how much parameters are moved, in float64. A loss with a kink in the first, such as of a ReLU, gets the second."""
NOISE = 1e-14
"""Rounding error of a loss, as a fraction of it."""
CLOSE = 1e-3
"""Largest difference between a slope and its finite difference, as a fraction of the length of the gradient."""
Slopes = dict[str, Tensor]


def follows_its_terms(method: Method, source: Source) -> None:
    """Raise AssertionError unless every player's gradient is that of its loss, and terms reach what is stated.

    `method` is in the state of a run that is under way, with its queues and banks filled.
    """
    with in_double(), torch.random.fork_rng(devices=[]):
        method = copy.deepcopy(method).double().train()
        clock = Clock(0, 1000)
        clock.step, clock.epoch = 500, 1  # ramps have risen, nothing is frozen any more
        views = _double(batch(method, source, range(SAMPLES), clock.epoch))
        for number, player in enumerate(method.players()):
            _follows(method, player, clock, views, first=number == 0)


def _follows(method: Method, player: Player, clock: Clock, views: Batch, first: bool) -> None:
    own = {p for group in player.groups for p in group["params"]}
    for p in method.parameters():  # in a game, only the mover's parameters want gradients
        p.requires_grad_(p in own)
    names = [name for name, p in method.named_parameters() if p in own]
    parameters = dict(method.named_parameters())
    seen = _wanting(views)
    with held() as targets:
        torch.manual_seed(0)
        outputs = method(player=player.name, clock=clock, **seen)
        terms = method.terms() if first else {}
        grads = {term: _slopes(outputs, term, names, parameters, seen) for term in ("loss", *terms)}
        _reached(terms, grads)
        _together(terms, grads)

        def values() -> dict[str, float]:
            targets.rewind()
            torch.manual_seed(0)
            with torch.no_grad():
                found = method(player=player.name, clock=clock, **views)
            return {term: float(found[term]) for term in grads}

        for part in dict.fromkeys(name.partition(".")[0] for name in names):
            _differs([name for name in names if name.partition(".")[0] == part], part, parameters, grads, values)
    if first:
        stated, found = Counter(method.targets()), Counter(name for name, _ in targets.values)
        assert stated <= found, f"forward stops no gradient at {_list(stated - found)}, which targets() names"
        assert found <= stated, f"forward stops the gradient at {_list(found - stated)}, which targets() does not name"


def _slopes(
    outputs: Mapping[str, Any], term: str, names: Sequence[str], parameters: Mapping[str, Tensor], views: Batch
) -> Slopes:
    """The gradient of one term in every parameter and every view, by name; 0 where it does not arrive."""
    value = outputs.get(term)
    assert isinstance(value, Tensor) and value.requires_grad, (
        f"the outputs of forward must hold '{term}' with its gradient, not detached, because terms() names it"
    )
    leaves = {name: parameters[name] for name in names}
    leaves |= {f"{name}[{i}]": x for name, several in views.items() for i, x in enumerate(_tensors(several))}
    leaves = {name: x for name, x in leaves.items() if x.requires_grad}
    found = torch.autograd.grad(value, list(leaves.values()), retain_graph=True, allow_unused=True)
    return {n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(leaves.items(), found, strict=True)}


def _reached(terms: Mapping[str, Sequence[str]], grads: Mapping[str, Slopes]) -> None:
    for term, stated in terms.items():
        reached: dict[str, list[bool]] = {}
        for name, slope in grads[term].items():
            reached.setdefault(name.partition(".")[0].partition("[")[0], []).append(bool(slope.any()))
        wrong = set(stated) - set(reached)
        assert not wrong, f"terms() names {_list(wrong)}, but the method has no such part or view"
        for part, some in reached.items():
            views = f"{part}[0]" in grads[term]
            if part in stated:
                assert all(some) if views else any(some), f"no gradient of the term '{term}' reaches {part}"
            else:
                assert not any(some), f"a gradient of the term '{term}' reaches {part}, which terms() does not state"


def _together(terms: Mapping[str, Sequence[str]], grads: Mapping[str, Slopes]) -> None:
    """Check that the gradient of the loss is a weighted sum of those of its terms, none of them left out."""
    if not terms:
        return
    columns = torch.stack([torch.cat([slope.flatten() for slope in grads[term].values()]) for term in terms], 1)
    whole = torch.cat([slope.flatten() for slope in grads["loss"].values()])
    lengths = columns.norm(dim=0)
    weights = torch.linalg.lstsq(columns / lengths, whole[:, None]).solution[:, 0]
    for term, weight in zip(terms, weights.tolist(), strict=True):
        assert abs(weight) > 1e-9 * float(whole.norm()), f"the term '{term}' adds nothing to the gradient of the loss"
    rest = float((columns / lengths @ weights - whole).norm())
    assert rest < 1e-6 * float(whole.norm()), "the gradient of the loss is not a sum of those of its terms()"


def _differs(
    names: Sequence[str],
    part: str,
    parameters: Mapping[str, Tensor],
    grads: Mapping[str, Slopes],
    values: Any,
) -> None:
    """Compare the slopes in one part with finite differences along a random direction."""
    generator = torch.Generator().manual_seed(0)
    lengths = {term: float(torch.stack([g[n].norm() for n in names]).norm()) for term, g in grads.items()}
    ways = {n: torch.randn(parameters[n].shape, generator=generator) for n in names}
    slopes = {term: sum(float((g[n] * ways[n]).sum()) for n in names) for term, g in grads.items()}
    for step in STEPS:
        ends = []
        for by in (step, -2 * step):  # to one side, and to the other
            _move(parameters, ways, by)
            ends.append(values())
        _move(parameters, ways, step)  # back
        found = {term: (ends[0][term] - ends[1][term]) / (2 * step) for term in grads}
        floor = {term: NOISE / step * (1 + abs(ends[0][term])) for term in grads}
        off = [t for t in grads if abs(slopes[t] - found[t]) > CLOSE * lengths[t] + floor[t]]
        if not off:
            break
    else:
        raise AssertionError(
            f"the slope of '{off[0]}' in {part} is {found[off[0]]:.4g} by finite differences and "
            f"{slopes[off[0]]:.4g} by its gradient: something is detached by mistake (a stop-gradient on purpose "
            "is selftaught.parts.target.target)"
        )


@torch.no_grad()
def _move(parameters: Mapping[str, Tensor], ways: Mapping[str, Tensor], by: float) -> None:
    for name, way in ways.items():
        parameters[name].add_(way, alpha=by)


def _tensors(value: Any) -> list[Tensor]:
    return [x for x in (value if isinstance(value, list) else [value]) if isinstance(x, Tensor)]


def _double(views: Batch) -> Batch:
    def one(x: Any) -> Any:
        return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x

    return {name: [one(x) for x in value] if isinstance(value, list) else one(value) for name, value in views.items()}


def _wanting(views: Batch) -> Batch:
    """Copies that want gradients where they can have them."""

    def one(x: Any) -> Any:
        floating = isinstance(x, Tensor) and x.is_floating_point()
        return x.clone().requires_grad_() if floating else x

    return {name: [one(x) for x in value] if isinstance(value, list) else one(value) for name, value in views.items()}


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


@final
class _Double(TorchFunctionMode):
    """Computes in float64 where a method asks for float32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (Tensor.double if func is Tensor.float else func)(*args, **(kwargs or {}))


@contextmanager
def in_double() -> Iterator[None]:
    """float64 for all new tensors inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Double():
            yield
    finally:
        torch.set_default_dtype(before)
