"""Build a torch optimiser from a recipe and a player, and LARS, which torch lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from selftaught.method import Player
from selftaught.recipe import Recipe


@final
class LARS(Optimizer):
    """Layer-wise adaptive rate scaling: You, Gitman, Ginsburg 2017, "Large Batch Training of Convolutional Networks".

    g <- g + wd * w;  v <- momentum * v + lr * trust * ||w|| / ||g|| * g;  w <- w - v, where trust * ||w|| / ||g|| is
    replaced by 1 for groups with ``adapt=False`` (biases and norms, as SimCLR does) and whenever either norm is 0.
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        adapt: bool = True,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "adapt": adapt}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one update. `closure` is not supported."""
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                g: Tensor = w.grad.add(w, alpha=group["weight_decay"])
                rate: Tensor | float = group["lr"]
                if group["adapt"]:
                    w_norm, g_norm = torch.linalg.vector_norm(w), torch.linalg.vector_norm(g)
                    ratio = group["trust"] * w_norm / g_norm
                    rate = rate * torch.where((w_norm > 0) & (g_norm > 0), ratio, torch.ones_like(ratio))
                state = self.state[w]
                v = state.get("momentum_buffer")
                state["momentum_buffer"] = v = rate * g if v is None else v.mul_(group["momentum"]).add_(rate * g)
                w.sub_(v)


def build(player: Player, recipe: Recipe) -> Optimizer:
    """Build the optimiser of one player. Each group is split in two: with weight decay, and without (norms and biases).

    Each param_group keeps "lr_scale" and "schedule", from which `set_rates` computes its learning rate.
    """
    groups: list[dict[str, Any]] = []
    for group in player.groups:
        params = list(group["params"])
        own = {k: v for k, v in group.items() if k != "params"}
        own = {"lr_scale": 1.0, "schedule": recipe.schedule, "weight_decay": recipe.weight_decay} | own
        exempt = [] if recipe.decay_norm_and_bias else [p for p in params if p.ndim < 2]
        kept = params if recipe.decay_norm_and_bias else [p for p in params if p.ndim >= 2]
        lars = recipe.optimizer == "lars"
        if kept:
            groups.append(own | {"params": kept})
        if exempt:
            groups.append(own | {"params": exempt, "weight_decay": 0.0} | ({"adapt": False} if lars else {}))
    if recipe.optimizer == "lars":
        return LARS(groups, lr=recipe.lr, momentum=recipe.momentum)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True)


def set_rates(optimizer: Optimizer, recipe: Recipe, progress: float) -> float:
    """Set every group's learning rate for `progress` in [0, 1]. Returns the recipe's rate, for the log."""
    own = recipe.factor(progress)
    for group in optimizer.param_groups:
        factor = own if group["schedule"] == recipe.schedule else recipe.factor(progress, group["schedule"])
        group["lr"] = recipe.lr * group["lr_scale"] * factor
    return recipe.lr * own


def clip(player: Player, recipe: Recipe) -> bool:
    """Clip the gradients of a player as the recipe says. Returns whether their norms are finite."""
    if not recipe.clip:
        return True
    params = [p for g in player.groups for p in g["params"] if p.grad is not None]
    groups = [[p] for p in params] if recipe.clip_each else [params]
    norms = [nn.utils.clip_grad_norm_(group, recipe.clip) for group in groups]
    return all(map(math.isfinite, torch.stack(norms).tolist()))


def pack(optimizer: Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return the optimiser's state as named tensors, ``prefix.PARAMETER.NAME``."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{i}.{k}": v for i, values in state.items() for k, v in values.items() if isinstance(v, Tensor)}


def unpack(optimizer: Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    """Restore the state that `pack` returned for an optimiser of the same form."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "."):
            i, key = name[len(prefix) + 1 :].split(".", 1)
            state.setdefault(int(i), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
