"""Classification with frozen features.

Linear probe, nearest neighbours and few labels, beside the untrained encoder and the raw input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from selftaught.data.told import opening
from selftaught.errors import UserError
from selftaught.evaluate.classifier import classifier
from selftaught.evaluate.embed import BATCH
from selftaught.evaluate.probe import SIDES, probe
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task, needs_no_labels
from selftaught.method import Classifies, Patched
from selftaught.parts.word_vectors import Worded

FEW = "100"
"""Labels per class of the column that compares runs."""


@final
class Probe(Task):
    """For every encoder but those of words, whose texts are averaged: see `documents`."""

    key, order = "probe", 20
    options: ClassVar[Mapping[str, str]] = {
        "patches": "Average the features over so many random patches of a sample, drawn as in the training. For "
        "methods that learn from patches: emp_ssl."
    }

    def suits(self, run: Subject, data: Any) -> bool:
        """Whether the features are the encoder's own; what another task judges need not have labels."""
        return not isinstance(run.encoder, Worded) and (not needs_no_labels(run) or run.labelled(data))

    def judge(
        self,
        run: Subject,
        data: Any,
        *,
        seed: int = 0,
        quick: bool = False,
        say: Said | None = None,
        patches: int | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """See `evaluate.probe`. "classifier" is the accuracy of the method's own classifier, if it has one.

        Raises UserError for patches of a method that does not learn from any.
        """
        seen = {} if patches is None else averaged(run, patches)
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
        found = probe(run.encoder, train, test, seed, untrained=run.untrained(seed), say=say, **seen)
        found |= {"data": run.named(data), "quick": quick}
        if patches is not None:
            found["protocol"]["patches"] = patches
        if data is None and run.learned_by is not None and issubclass(run.learned_by, Classifies):
            accuracy = classifier(run.method(), train, test)
            if accuracy is not None:
                found["classifier"] = {"accuracy": accuracy, "labels": run.labels}
        return found

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One, in percent. "majority" always names the most frequent class."""
        beside = {"majority": result["majority"]} if "majority" in result else {}  # older results have none
        patches = result.get("protocol", {}).get("patches")
        how = f", {patches} patches" if patches else ""
        rows = [
            {"accuracy, %": name + how, **{side: entry.get(side) for side in SIDES}, **beside}
            for name, entry in _entries(result)
        ]
        return [Table(rows, ("accuracy, %",))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """Linear probe, kNN, few labels, the most frequent class, and the gain over the untrained encoder.

        The gain has half of its interval beside it. The last is the number of patches that features are averaged over.
        """
        found = summary.get("probe") or {}
        gain = found.get("gain", {}).get("untrained", {})
        return {
            "linear": found.get("linear", {}).get("trained"),
            "knn": found.get("knn", {}).get("trained"),
            f"{FEW} labels": found.get("labels", {}).get(FEW, {}).get("trained"),
            "majority": found.get("majority"),
            "gain": gain.get("linear"),
            "+-": gain.get("interval"),
            "patches": found.get("protocol", {}).get("patches"),
        }


def averaged(run: Subject, patches: int) -> dict[str, Any]:
    """Return the arguments of `evaluate.probe` for features that are averaged over patches."""
    if run.learned_by is None or not issubclass(run.learned_by, Patched):
        raise UserError("patches need a run of a method that learns from patches, such as emp_ssl: leave them out")
    if patches < 1:
        raise UserError(f"patches must be at least 1, not {patches}")
    method = run.model()
    assert isinstance(method, Patched)
    return {"views": method.patched(patches), "batch_size": max(4 * BATCH // patches, 1)}


def _entries(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    entries = [("linear probe, all labels", result["linear"]), ("k nearest neighbours", result["knn"])]
    if "classifier" in result:
        own = result["classifier"]
        entries.insert(0, (f"the run's own classifier, {_labels(own['labels'])}", {"trained": own["accuracy"]}))
    for labels, entry in result["labels"].items():
        if labels != "all":
            entries.append((f"linear probe, {labels} labels" + (" a class" if labels.isdigit() else ""), entry))
    return entries


def _labels(budget: str) -> str:
    """What `data.labels` says in words: 10/class is "10 labels a class", 10% "10% labels"."""
    number, _, a_class = budget.partition("/")
    return f"{number} labels" + (" a class" if a_class else "")
