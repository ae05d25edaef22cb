"""The recipe: schedules against their formulas, and every range refused with its key's name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selftaught.recipe import Recipe


def test_warm_up_grows_linearly_to_the_peak() -> None:
    recipe = Recipe(warmup=0.2)
    assert [recipe.factor(p) for p in (0.0, 0.05, 0.1)] == pytest.approx([0.0, 0.25, 0.5])
    assert recipe.factor(0.2) == pytest.approx(1.0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_cosine_is_a_cosine(progress: float, final: float) -> None:
    recipe = Recipe(warmup=0.0, final_lr=final)
    assert recipe.factor(progress) == pytest.approx(final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_linear_schedule_is_a_line(progress: float, final: float) -> None:
    recipe = Recipe(schedule="linear", warmup=0.0, final_lr=final)
    assert recipe.factor(progress) == pytest.approx(1 - (1 - final) * progress)


def test_steps_drop_at_their_milestones() -> None:
    recipe = Recipe(schedule="step", warmup=0.0, milestones=(0.5, 0.75), gamma=0.1)
    assert [recipe.factor(p) for p in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_group_may_have_a_schedule_of_its_own() -> None:
    assert Recipe(warmup=0.0).factor(1.0, "constant") == 1.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 5, "epochs": 1.0}, "only one of steps, epochs and minutes, not steps and epochs"),
        ({"steps": 0}, "steps must be greater than 0, not 0"),
        ({"minutes": math.nan}, "minutes must be greater than 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 10, "accumulate": 3}, "cannot be split into 3 equal micro-batches"),
        ({"accumulate": 0}, "accumulate must be"),
        ({"lr": -1.0}, "lr must be"),
        ({"lr": math.inf}, "lr must be"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"betas": (0.9, 1.0)}, "betas must be"),
        ({"weight_decay": -1e-3}, "weight_decay must be"),
        ({"warmup": 1.0}, "warmup must be"),
        ({"milestones": (0.0,)}, "milestones must be"),
        ({"gamma": 0.0}, "gamma must be"),
        ({"final_lr": 2.0}, "final_lr must be"),
        ({"clip": -1.0}, "clip must be"),
        ({"seed": -1}, "seed must be"),
        ({"batch_norm_groups": -1}, "batch_norm_groups must be"),
        ({"workers": -2}, "workers must be"),
        ({"checkpoint_every": -1}, "checkpoint_every must be"),
        ({"keep": 0}, "keep must be"),
        ({"log_every": 0}, "log_every must be"),
    ],
)
def test_a_value_out_of_range_names_its_key(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as e:
        Recipe(**wrong)
    assert "\n" not in str(e.value)


def test_it_survives_yaml() -> None:
    recipe = Recipe(steps=7, betas=(0.5, 0.9))
    values = yaml.safe_load(yaml.safe_dump(recipe.as_dict()))
    assert Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}) == recipe
