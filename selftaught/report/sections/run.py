"""The configuration of the run, and the commands to repeat it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from selftaught.report.page import Page
from selftaught.report.values import mapping
from selftaught.run import RunFolder

ORDER = 90
TITLE = "This run"
NAV = "This run"
MISSING = ""


def suits(page: Page) -> bool:
    """Always shown."""
    return True


def data(page: Page) -> dict[str, Any]:
    """Return versions, options, the whole configuration and what could not be read."""
    config, env = page.run.config, page.run.read_json("env.json") or {}
    method, encoder, data, recipe = (pairs(mapping(config, key)) for key in ("method", "encoder", "data", "recipe"))
    machine = pairs({key: value for key, value in env.items() if key not in ("packages", "command")})
    return {
        "folder": str(page.run.path), "options": {"method": method, "encoder": encoder, "data": data}, "recipe": recipe,
        "versions": machine + pairs(mapping(env, "packages")),
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "skipped": skipped(page.run),
    }  # fmt: skip


def pairs(values: dict[str, Any]) -> list[list[str]]:
    """Return [name, value] for the page; unset and empty values are skipped."""
    there = [(str(key), value) for key, value in values.items() if value not in (None, {}, [], ())]
    return [[key, value if isinstance(value, str) else json.dumps(value, default=str)] for key, value in there]


def skipped(folder: RunFolder, most: int = 20) -> dict[str, Any]:
    """Return how much could not be read, and the first of it with reasons."""
    path = folder.path / "skipped.jsonl"
    if not path.exists():
        return {"count": 0, "first": []}
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    first = []
    for line in lines[:most]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        values = list(entry.values()) if isinstance(entry, dict) else [entry]
        first.append([str(value) for value in values[:2]])
    return {"count": len(lines), "first": first}
