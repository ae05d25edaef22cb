"""What was run, in words and numbers that a reader can check and repeat."""

from __future__ import annotations

import json
import shlex
from typing import Any

import yaml

from selftaught.method import Source
from selftaught.report.curves import number
from selftaught.run import RunFolder


def run(folder: RunFolder, source_train: Source | None = None) -> dict[str, Any]:
    """Title, facts, commands, versions, the whole configuration and the samples that could not be read."""
    config, summary = folder.config, folder.summary
    env = folder.read_json("env.json") or {}
    method, encoder, data, recipe = (section(config, key) for key in ("method", "encoder", "data", "recipe"))
    path = str(folder.path)
    steps = number(summary.get("steps")) or last_step(folder) or number(recipe.get("steps"))
    images = number(summary.get("images", summary.get("documents"))) or (len(source_train) if source_train is not None else None)
    unit = next((key.removesuffix("_per_second") for key in summary if key.endswith("_per_second")), "images")
    facts = {
        "method": str(method.get("name", "?")), "encoder": str(encoder.get("name", "?")), "data": short(data.get("source")),
        "samples": images, "steps": steps, "planned": number(summary.get("planned_steps")) or number(recipe.get("steps")),
        "samples_are": "documents" if "documents" in summary else "samples", "seconds": number(summary.get("seconds")),
        "speed": number(summary.get(f"{unit}_per_second")), "speed_in": unit.replace("images", "samples"),
        "batch_size": number(recipe.get("batch_size")),
        "seed": recipe.get("seed", 0), "interrupted": summary.get("interrupted"),
    }
    return {
        "title": f"{facts['method']} on {facts['data']}", "run": path, "facts": facts,
        "commands": commands(path, config, env), "options": {"method": pairs(method), "encoder": pairs(encoder), "data": pairs(data)},
        "recipe": pairs(recipe), "versions": pairs({k: v for k, v in env.items() if k not in ("packages", "command")})
        + pairs(section(env, "packages")), "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "skipped": skipped(folder),
    }


def section(values: dict[str, Any], key: str) -> dict[str, Any]:
    """values[key] where it is a mapping, else an empty one."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def short(source: Any) -> str:
    """A catalog name as it is; of a path its last part."""
    text = str(source) if source is not None else "data in memory"
    return text.rstrip("/").rpartition("/")[2] or text


def pairs(values: dict[str, Any]) -> list[list[str]]:
    """[name, value] as the page shows them; what was left unset or empty is left out."""
    return [[str(k), v if isinstance(v, str) else json.dumps(v, default=str)] for k, v in values.items() if v not in (None, {}, [], ())]


def last_step(folder: RunFolder) -> float | None:
    """The last logged step."""
    steps = [step for line in folder.metrics() if (step := number(line.get("step"))) is not None]
    return max(steps, default=None)


def commands(path: str, config: dict[str, Any], env: dict[str, Any]) -> dict[str, str]:
    """What to type to see more, to continue, and to repeat this run; data in memory can only be given again from Python."""
    found = {verb: shlex.join(["selftaught", verb, path]) for verb in ("resume", "probe", "report")}
    if section(config, "data").get("source") is not None:
        again = f"{path.rstrip('/')}-again"
        found["repeat"] = shlex.join(["selftaught", "pretrain", "--config", f"{path}/config.yaml", "--out", again])
    return found | {"typed": str(env.get("command") or ""), "install_map": "pip install openTSNE"}


def skipped(folder: RunFolder, most: int = 20) -> dict[str, Any]:
    """How many samples could not be read, and the first of them with the reason."""
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
