"""Answers to questions, compared as the evaluation of SQuAD compares them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLE = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normal(answer: str) -> str:
    """Return an answer in lower case, without ASCII punctuation, English articles and doubled spaces.

    >>> normal("The  Broncos' defence.")
    'broncos defence'
    """
    return " ".join(ARTICLE.sub(" ", answer.lower().translate(PUNCTUATION)).split())


def exact(said: str, truths: Sequence[str]) -> float:
    """Return 1 if the answer is one of `truths`, else 0. No answer, "", is right if there is none."""
    return float(any(normal(said) == normal(truth) for truth in truths or [""]))


def overlap(said: str, truths: Sequence[str]) -> float:
    """Return the best F1 of the words of an answer with those of one of `truths`, counted as often as they occur."""
    return max(_overlap(normal(said).split(), normal(truth).split()) for truth in truths or [""])


def _overlap(said: list[str], truth: list[str]) -> float:
    if not said or not truth:
        return float(said == truth)
    common = sum((Counter(said) & Counter(truth)).values())
    return 2 * common / (len(said) + len(truth))
