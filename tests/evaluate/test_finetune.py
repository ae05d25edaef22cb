"""Fine-tuning: what is drawn, what is chosen by, what stays untouched, and what a seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
import untouched
from evaluate.stand_ins import INPUT, Pictures

from selftaught import encoders
from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.evaluate import embed, linear_probe
from selftaught.evaluate.finetune import Plan, finetune, summary, table
from selftaught.evaluate.tasks.classification import Classification
from selftaught.evaluate.tuning import Parts, Tuning
from selftaught.method import Encoder, Method, Source


@final
class Start:
    """A run: an encoder, and data in two parts."""

    def __init__(self, train: Source, test: Source) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.encoder = encoders.build("conv", INPUT, width=4, depth=2)
        self.parts = {"train": train, "test": test}

    def open(self, data: Any, split: str) -> Source:
        return self.parts[split]

    def named(self, data: Any) -> str:
        return "pictures"


@pytest.fixture(scope="module")
def start() -> Start:
    return Start(Pictures(200), Pictures(100, seed=1))


@pytest.fixture(scope="module")
def parts(start: Start) -> Parts:
    return Classification().open(start, None)


def state(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def test_draws_are_nested_and_balanced(parts: Parts) -> None:
    task = Classification()
    few, more = (task.few(parts.train, budget, 3) for budget in ("10%", "50%"))
    assert (len(few), len(more)) == (20, 100)
    assert set(few.names(np.arange(20))) < set(more.names(np.arange(100)))
    assert np.bincount(few.labels).tolist() == [5] * 4
    assert few.names(np.arange(20)) != task.few(parts.train, "10%", 4).names(np.arange(20))


def test_settings_are_tried_on_training_labels_alone(parts: Parts) -> None:
    fitted, held = Classification().halves(parts.train, 0) or pytest.fail("there are labels enough")
    both = [name for source in (fitted, held) for name in source.names(np.arange(len(source)))]
    assert sorted(both) == sorted(parts.train.names(np.arange(200)))
    assert np.bincount(held.labels).tolist() == [10] * 4
    one = np.array([np.flatnonzero(parts.train.labels == c)[0] for c in range(4)])
    assert Classification().halves(Subset(parts.train, one), 0) is None


def test_frozen_is_the_linear_probe_and_changes_nothing(start: Start, parts: Parts) -> None:
    before = state(start.encoder)
    kept: list[Method] = []
    plan = Plan(labels=("all",), sides=("frozen",), seeds=1)
    (line,) = finetune(start, Classification(), parts, plan, keep=lambda method, *_: kept.append(method))
    x = [embed(start.encoder, source) for source in (parts.train, parts.test)]
    probe = linear_probe(x[0], parts.train.labels, x[1], parts.test.labels)
    assert line["accuracy"] == pytest.approx(probe.accuracy, abs=0.01) and line["steps"] == 0
    for encoder in (start.encoder, kept[0].encoder):  # batch norm's statistics as well
        assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_the_encoder_of_the_caller_is_not_frozen(start: Start) -> None:
    encoder = start.encoder.train()
    before = untouched.told(encoder)
    method = Classification().method(encoder, True)
    assert untouched.told(encoder) == before
    assert not any(p.requires_grad or m.training for m in method.encoder.modules() for p in m.parameters())


def test_a_class_without_a_label_is_never_said(start: Start) -> None:
    train = Pictures(200)
    train.classes = ("a", "b", "c", "d", "e")
    task = Classification()
    method: Any = task.method(start.encoder, True)
    assert task.solved(method, train, 0)
    assert method.head.bias[4].item() == -1e4 and not method.head.weight[4].any()


@final
class Tried(Tuning):
    """Classification with other settings, which remembers what it was judged by."""

    metrics = ("accuracy",)
    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32}
    settings = ({"lr": 0.0}, {"lr": 1e-2})
    head = ({},)

    def __init__(self) -> None:
        task = Classification()
        self.task, self.judged = task, list[tuple[int, int]]()

    def open(self, *given: Any) -> Any:
        return self.task.open(*given)

    def few(self, *given: Any) -> Any:
        return self.task.few(*given)

    def halves(self, *given: Any) -> Any:
        return self.task.halves(*given)

    def method(self, *given: Any, **setting: Any) -> Any:
        return self.task.method(*given, **setting)

    def restored(self, *given: Any) -> Any:
        return self.task.restored(*given)

    def steps(self, train: Source) -> int:
        return 20

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        self.judged.append((len(train), len(test)))
        return self.task.judge(method, train, test)


def test_the_setting_is_chosen_on_held_out_training_labels(start: Start, parts: Parts) -> None:
    task, told = Tried(), list[str]()
    plan = Plan(labels=("all",), sides=("tuned", "scratch"), seeds=2)
    lines = finetune(start, task, parts, plan, say=told.append)
    assert [line["setting"] for line in lines] == [{"lr": 1e-2}] * 4  # a rate of 0 learns nothing
    trials = [pair for pair in task.judged if pair != (200, 100)]
    assert trials == [(160, 40)] * 4  # two settings of two sides, once, and never the test part
    assert sum("chosen on held-out training labels: lr 0.01" in line for line in told) == 2
    accuracy = {side: [line["accuracy"] for line in lines if line["side"] == side] for side in plan.sides}
    assert min(accuracy["tuned"] + accuracy["scratch"]) > 35  # four classes


def test_a_metric_of_which_lower_is_better_chooses_the_lowest(
    start: Start, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(self: Tried, method: Method, train: Source, test: Source) -> dict[str, float]:
        accuracy = self.task.judge(method, train, test)["accuracy"]
        return {"accuracy": accuracy, "error": 100 - accuracy}

    for name, value in (
        ("metrics", ("accuracy", "error")), ("better", {"error": -1}), ("chooses", "error"), ("judge", judge),
        ("tried", lambda self, *given: {"error": self.judge(*given)["error"]}),
        ("beside", lambda self, parts: {"the first": {"error": 75.0}}),
        ("signatures", lambda self: {"error": "by hand"}),
    ):  # fmt: skip
        monkeypatch.setattr(Tried, name, value)
    lines = finetune(start, Tried(), parts, Plan(labels=("all",), sides=("tuned",), seeds=1))
    assert lines[0]["setting"] == {"lr": 1e-2}
    found = summary(Tried(), lines, parts)
    assert found["better"] == {"error": -1} and found["signatures"] == {"error": "by hand"}
    assert found["beside"] == {"the first": {"error": 75.0}} and "better" not in summary(Classification(), [])
    rows, _ = table(found)
    assert rows[0]["error"] == f"{lines[0]['error']:.1f}" and "accuracy, %" in rows[0]
    assert rows[1] | {"error": None, "encoder": None} == dict.fromkeys(rows[1], "") | {"error": None, "encoder": None}
    assert rows[1]["error"] == "75.0" and rows[1]["encoder"] == "the first"
    monkeypatch.setattr(Tried, "settings", ({"lr": 1e38}, {"lr": 1e-2}))  # what diverges is not the lowest
    (line,) = finetune(start, Tried(), parts, Plan(labels=("all",), sides=("tuned",), seeds=1))
    assert line["setting"] == {"lr": 1e-2}


def test_a_rate_that_diverges_is_not_chosen(start: Start, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tried, "settings", ({"lr": 1e38}, {"lr": 1e-2}))
    plan = Plan(labels=("all",), sides=("tuned",), seeds=1)
    (line,) = finetune(start, Tried(), parts, plan)
    assert line["setting"] == {"lr": 1e-2}


def test_a_seed_repeats_and_what_is_done_is_not_repeated(start: Start, parts: Parts) -> None:
    plan = Plan(labels=("10%",), sides=("tuned", "scratch"), seeds=2, lr=1e-2, steps=3)
    lines = finetune(start, Classification(), parts, plan)
    again: list[dict[str, Any]] = []
    assert finetune(start, Classification(), parts, plan, done=lines[:3], record=again.append)[:3] == lines[:3]
    assert [(line["side"], line["seed"]) for line in again] == [("scratch", 1)]
    assert again[0] | {"seconds": 0} == lines[3] | {"seconds": 0}
    assert [line["setting"] for line in lines] == [{"lr": 1e-2, "trunk": 1.0}] * 4


def test_from_scratch_can_be_longer_and_is_not_the_run(start: Start, parts: Parts) -> None:
    weights: dict[str, Any] = {}
    for side, longer in (("tuned", 1), ("scratch", 3)):
        plan = Plan(labels=("all",), sides=(side,), seeds=1, lr=0.0, steps=2, longer=longer)

        def keep(method: Method, line: dict[str, Any], _: Any, side: str = side) -> None:
            weights[side] = (line["steps"], method.encoder.state_dict())

        finetune(start, Classification(), parts, plan, keep=keep)
    (short, tuned), (long, scratch) = weights["tuned"], weights["scratch"]
    assert (short, long) == (2, 6)
    name = "blocks.0.0.weight"
    assert torch.equal(tuned[name], start.encoder.state_dict()[name])
    assert not torch.equal(scratch[name], tuned[name])


def lines_of(values: dict[tuple[str, str], list[float]]) -> Iterator[dict[str, Any]]:
    for (labels, side), accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            yield {"labels": labels, "side": side, "seed": seed, "setting": {"lr": 0.1}, "steps": 7, "seconds": 1.0,
                   "accuracy": accuracy}  # fmt: skip


def test_a_summary_has_means_and_spreads_in_the_order_of_the_labels() -> None:
    lines = [*lines_of({("all", "tuned"): [50.0, 54.0], ("all", "frozen"): [40.0], ("10/class", "tuned"): [30.0]})]
    found = summary(Classification(), lines)
    assert list(found["rows"]) == ["10/class", "all"] and list(found["rows"]["all"]) == ["frozen", "tuned"]
    assert found["rows"]["all"]["tuned"]["accuracy"] == {"mean": 52.0, "spread": 2.83}
    assert found["rows"]["all"]["frozen"]["accuracy"] == {"mean": 40.0, "spread": None}
    rows, _ = table(found)
    assert [row["accuracy, %"] for row in rows] == ["30.0", "40.0", "52.0 ± 2.8"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seeds": 0}, "seeds must be at least 1, not 0"),
        ({"labels": ("half",)}, "labels must be a number per class"),
        ({"labels": ("1%", "1%")}, "labels names one of 1%, 1% twice"),
        ({"lr": float("nan")}, "lr must be a finite number of at least 0, not nan"),
        ({"sides": ()}, "sides must name at least one of frozen, tuned, scratch"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"sides": ("tuned",), "longer": 2}, "longer has no effect without the side scratch"),
    ],
)
def test_a_plan_out_of_range_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Plan(**wrong)


def test_data_that_cannot_serve_is_refused() -> None:
    unlabelled, labelled = Pictures(20, labelled=False), Pictures(20)
    with pytest.raises(UserError, match="the training data have no labels to fine-tune with"):
        Classification().open(Start(unlabelled, labelled), None)
    with pytest.raises(UserError, match="the test data have no labels to fine-tune with"):
        Classification().open(Start(labelled, unlabelled), None)
    with pytest.raises(UserError, match="all training samples have the same label"):
        Classification().open(Start(Pictures(20, classes=1), labelled), None)
