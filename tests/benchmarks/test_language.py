"""The benchmark of language models: small trainings of ours, and what is made of the answers of the processes."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import language, language_process

TINY = {"vocabulary": 60, "width": 16, "depth": 1, "heads": 2, "context": 16, "batch": 2, "threads": 1, "steps": 2}


@pytest.mark.parametrize("model", ["gpt", "bert"])
def test_a_step_of_ours_trains_the_method_and_the_body_alone(model: str) -> None:
    task = TINY | {"model": model, "tool": "selftaught"}
    found = language_process.train(task)
    assert len(found["step"]) == 2 and min(found["step"]) > 0 and found["batch"] > 0 and found["memory"] >= 0
    method, loss, body, batch = language_process.ours(task)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    language_process.steps(method, loss, 1)
    assert all((before[name] != p).any() for name, p in method.named_parameters())
    assert body(0).requires_grad and (batch(0)["tokens"] != batch(1)["tokens"]).any()
    assert language_process.train(task | {"tool": "body"}).keys() == {"step"}


def test_tokens_are_generated_one_by_one() -> None:
    found = language_process.generate(TINY | {"tool": "selftaught", "length": 12, "do": "generate"})
    assert found.keys() == {"all", "first", "last"} and found["all"] > 0


def test_a_row_compares_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "selftaught": {"step": [1.0, 2.0], "memory": 30.0, "batch": 0.02},
        "transformers": {"step": [3.0, 4.0], "memory": 60.0},
        "body": {"step": [0.5, 1.0]},
    }
    asked: list[dict[str, Any]] = []

    def child(task: dict[str, Any]) -> dict[str, Any]:
        asked.append(task)
        return answers[task["tool"]]

    monkeypatch.setattr(language, "child", child)
    monkeypatch.setattr(language, "tools", lambda: ["selftaught", "transformers"])
    row = language.step("gpt-32k")
    assert row["tokens_per_second"] == {"selftaught": 32 * 128, "transformers": round(32 * 128 / 3)}
    assert (row["times"]["median"], row["times_cpu"]["median"], row["memory"]) == (3, 2, 0.5)
    assert (row["body"], row["batch"]) == (0.5, 0.02)
    assert {task["vocabulary"] for task in asked} == {32768} and len(asked) == 3 * language.ROUNDS
    assert [task["tool"] for task in asked[:4]] == ["selftaught", "transformers", "body", "transformers"]


def test_the_spread_is_over_seeds() -> None:
    assert language.spread([1.0, 2.0, 3.0]) == {"mean": 2.0, "spread": 1.0}
