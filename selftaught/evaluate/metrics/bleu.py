"""BLEU, by sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selftaught.errors import UserError


def check() -> None:
    """Raise UserError if sacrebleu is not installed."""
    try:
        import sacrebleu  # noqa: F401
    except ImportError:
        raise UserError(
            "BLEU is measured by sacrebleu: pip install 'selftaught[bleu]', or leave it out with --bleu 0"
        ) from None


def bleu(said: Sequence[str], references: Sequence[Sequence[str]], order: int = 4, lower: bool = False) -> float:
    """Return the BLEU of a corpus, in percent (Papineni et al. 2002).

    Args:
        said: A text for each sample.
        references: The right texts of each, one or more.
        order: Length of the longest n-grams: 4 in most papers, 2 in those on ATOMIC.
        lower: Compare in lower case.
    """
    return float(_metric(order, lower).corpus_score(*_arranged(said, references)).score)


def signature(references: Sequence[Sequence[str]], order: int, lower: bool) -> str:
    """Return sacrebleu's own description of how `bleu` counts, with its version."""
    metric = _metric(order, lower)
    metric.corpus_score(*_arranged([""] * len(references), references))
    return f"{metric.get_signature()}|order:{order}"


def _metric(order: int, lower: bool) -> Any:
    check()
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=order, lowercase=lower)


def _arranged(said: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str | None]]]:
    """Return texts as sacrebleu takes them: a list for the first reference of all samples, and so on."""
    most = max(map(len, references))
    return list(said), [[one[k] if k < len(one) else None for one in references] for k in range(most)]
