"""Facts about the run for all sections: its title, its facts, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from selftaught.report.page import Page
from selftaught.report.values import mapping, number

RATE = "_per_second"
OLDER = ("images", "documents")
"""Keys for the number of samples in summaries from before the key "samples"."""


def title(page: Page) -> str:
    """Return the title: the method, or the task of a fine-tuned run, and its training data."""
    return f"{what(page)} on {short(mapping(page.run.config, 'data').get('source'))}"


def what(page: Page) -> str:
    """Return the name of the method, or of the task that the run was fine-tuned for."""
    config = page.run.config
    return str(mapping(config, "finetune").get("task") or mapping(config, "method").get("name", "?"))


def facts(page: Page) -> dict[str, Any]:
    """Return the method, the number of samples, the time and the speed; None for unknown values."""
    config, summary = page.run.config, page.summary
    encoder, data, recipe = (mapping(config, key) for key in ("encoder", "data", "recipe"))
    samples, called = counted(summary)
    if samples is None and page.source_train is not None:
        samples = len(page.source_train)
    unit = next((key.removesuffix(RATE) for key in summary if key.endswith(RATE)), "samples")
    return {
        "method": what(page),
        "encoder": str(encoder.get("name", "?")),
        "data": short(data.get("source")),
        "samples": samples,
        "samples_are": called,
        "seed": recipe.get("seed", 0),
        "steps": number(summary.get("steps")) or last_step(page) or number(recipe.get("steps")),
        "planned": number(summary.get("planned_steps")) or number(recipe.get("steps")),
        "seconds": number(summary.get("seconds")),
        "interrupted": summary.get("interrupted"),
        "speed": number(summary.get(f"{unit}{RATE}")),
        "speed_in": unit,
        "batch_size": number(recipe.get("batch_size")),
    }


def counted(summary: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the number of samples and what they are called."""
    if "samples" in summary:
        return number(summary["samples"]), str(summary.get("samples_are", "samples"))
    key = next((key for key in OLDER if key in summary), "samples")
    return number(summary.get(key)), key


def short(source: Any) -> str:
    """Return a name in the catalog unchanged, and the last part of a path."""
    text = str(source) if source is not None else "data in memory"
    return text.rstrip("/").rpartition("/")[2] or text


def last_step(page: Page) -> float | None:
    """Return the last logged step."""
    steps = [step for line in page.metrics if (step := number(line.get("step"))) is not None]
    return max(steps, default=None)


def commands(page: Page) -> dict[str, str]:
    """Return the commands to see more, to continue, and to repeat this run.

    Data in memory can only be given again from Python.
    """
    path = str(page.run.path)
    found = {verb: shlex.join(["selftaught", verb, path]) for verb in ("resume", "probe", "report")}
    if "finetune" in page.run.config:  # one run of several trainings, which its own verb makes and continues
        found["resume"] = f"selftaught finetune ... --resume --out {shlex.quote(path)}"
    elif mapping(page.run.config, "data").get("source") is not None:
        again = f"{path.rstrip('/')}-again"
        found["repeat"] = shlex.join(["selftaught", "pretrain", "--config", f"{path}/config.yaml", "--out", again])
    typed = (page.run.read_json("env.json") or {}).get("command")
    return found | {"typed": str(typed or ""), "install_map": "pip install openTSNE"}
