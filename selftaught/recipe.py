"""Training settings: optimiser, schedule, batch, length, precision and seed, in one typed dataclass."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from selftaught.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run apart from the method, the encoder and the data.

    >>> recipe = Recipe(epochs=10, lr=0.1, schedule="cosine", warmup=0.0)
    >>> round(recipe.factor(0.0), 2), round(recipe.factor(0.5), 2)
    (1.0, 0.5)

    Args:
        steps: Length in optimiser steps. Give at most one of steps, epochs and minutes.
        epochs: Length in passes over the data.
        minutes: Length in minutes; converted to steps from the speed measured at the start of the run.
        batch_size: Samples per optimiser step, over all ranks and micro-batches together.
        accumulate: Number of micro-batches per step, to save memory. In-batch negatives come from one micro-batch.
        optimizer: sgd, adamw or lars (You et al. 2017, arXiv 1708.03888).
        lr: Peak learning rate.
        momentum: Momentum of sgd and lars.
        nesterov: Nesterov momentum for sgd.
        betas: Betas of adamw.
        weight_decay: Decoupled for adamw, added to the gradient for sgd and lars.
        decay_norm_and_bias: Whether weight decay (and the trust ratio of lars) also applies to biases and norm layers.
        schedule: Shape of the learning rate after the warm-up.
        warmup: Share of training with a linearly growing learning rate, in [0, 1).
        milestones: Shares of training at which the step schedule multiplies the learning rate by gamma.
        gamma: Factor of the step schedule.
        final_lr: Final learning rate of the cosine and the linear schedule, as a share of the peak.
        clip: Largest gradient norm of a player; 0 = no clipping.
        clip_each: Clip the gradient norm of each parameter (a weight matrix, a bias) by itself instead of all together.
        precision: auto = bfloat16 autocast on GPUs that support it, otherwise float32; native = bfloat16 also on CPUs
            that multiply it in hardware (AVX512-BF16, AMX), where convolutions take half the time.
        seed: Seed of all random numbers.
        batch_norm_groups: Number of groups of each batch for batch statistics, over all ranks; 0 = one per rank. With
            fewer groups than ranks, a group spans several ranks; 1 is synchronised batch norm, on CPUs too.
        workers: Threads that prepare batches ahead; -1 = 0 on a CPU, 2 with a GPU. Does not change the results.
        device: auto, cpu, cuda or cuda:N.
        checkpoint_every: Steps between checkpoints; 0 = about every minute and at the end.
        keep: Number of newest checkpoints to keep, in addition to the one with the lowest loss.
        log_every: Steps between lines of metrics.jsonl.
    """

    effects: ClassVar[dict[str, dict[str, Any]]] = {
        "momentum": {"optimizer": ("sgd", "lars")},
        "nesterov": {"optimizer": ("sgd",)},
        "betas": {"optimizer": ("adamw",)},
        "milestones": {"schedule": ("step",)},
        "gamma": {"schedule": ("step",)},
        "final_lr": {"schedule": ("cosine", "linear")},
        "clip_each": {"clip": 0},
    }
    """What a field needs to have an effect: see `config.effects`."""

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 256
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw", "lars"] = "adamw"
    lr: float = 2e-3
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-4
    decay_norm_and_bias: bool = False
    schedule: Literal["cosine", "linear", "step", "constant"] = "cosine"
    warmup: float = 0.05
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.1
    final_lr: float = 0.0
    clip: float = 0.0
    clip_each: bool = False
    precision: Literal["auto", "native", "float32", "bfloat16"] = "auto"
    seed: int = 0
    batch_norm_groups: int = 0
    workers: int = -1
    device: str = "auto"
    checkpoint_every: int = 0
    keep: int = 2
    log_every: int = 20

    def __post_init__(self) -> None:
        """Raises UserError, naming the key, if a value is out of range."""
        lengths = [name for name in ("steps", "epochs", "minutes") if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise UserError(f"give only one of steps, epochs and minutes, not {' and '.join(lengths)}")
        for name in lengths:
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UserError(f"{name} must be greater than 0, not {getattr(self, name)}")
        self._check("batch_size", self.batch_size >= 1, "at least 1")
        self._check("accumulate", self.accumulate >= 1, "at least 1")
        if self.batch_size % self.accumulate:
            raise UserError(
                f"batch_size {self.batch_size} cannot be split into {self.accumulate} equal micro-batches (accumulate)"
            )
        self._check("lr", math.isfinite(self.lr) and self.lr >= 0, "a finite number of at least 0")
        self._check("momentum", 0 <= self.momentum < 1, "in [0, 1)")
        if self.nesterov and not self.momentum:
            raise UserError("nesterov needs a momentum greater than 0: set momentum, or remove nesterov")
        self._check("betas", len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "two numbers in [0, 1)")
        self._check(
            "weight_decay", math.isfinite(self.weight_decay) and self.weight_decay >= 0, "a finite number of at least 0"
        )
        self._check("warmup", 0 <= self.warmup < 1, "a share of the training in [0, 1)")
        self._check("milestones", all(0 < m < 1 for m in self.milestones), "shares of the training in (0, 1)")
        self._check("gamma", 0 < self.gamma <= 1, "in (0, 1]")
        self._check("final_lr", 0 <= self.final_lr <= 1, "in [0, 1]")
        self._check("clip", self.clip >= 0, "at least 0")
        self._check("seed", 0 <= self.seed < 2**63, "in [0, 2^63)")
        self._check("batch_norm_groups", self.batch_norm_groups >= 0, "at least 0")
        self._check("workers", self.workers >= -1, "at least -1")
        self._check("checkpoint_every", self.checkpoint_every >= 0, "at least 0")
        self._check("keep", self.keep >= 1, "at least 1")
        self._check("log_every", self.log_every >= 1, "at least 1")

    def _check(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise UserError(f"{name} must be {what}, not {getattr(self, name)}")

    def factor(self, progress: float, schedule: str | None = None) -> float:
        """Return the learning rate at `progress` in [0, 1] as a share of the peak. `schedule` overrides the recipe."""
        schedule = schedule or self.schedule
        if progress < self.warmup:
            return progress / self.warmup
        if schedule == "constant":
            return 1.0
        if schedule == "step":
            return self.gamma ** sum(progress >= m for m in self.milestones)
        part = min((progress - self.warmup) / (1 - self.warmup), 1.0)
        left = 1 - part if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * part))
        return self.final_lr + (1 - self.final_lr) * left

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for config.yaml."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
