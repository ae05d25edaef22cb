"""Evaluation of word vectors: similarity and analogies compared with human judgements, and nearest words."""

from selftaught.evaluate.words.analogy import analogies, answers
from selftaught.evaluate.words.judge import ROWS, Tests, judge, ordered, title, vectors_of
from selftaught.evaluate.words.known import Unknown, find, near_spellings
from selftaught.evaluate.words.nearest import clusters, nearest
from selftaught.evaluate.words.similarity import similarity

__all__ = [
    "ROWS",
    "Tests",
    "Unknown",
    "analogies",
    "answers",
    "clusters",
    "find",
    "judge",
    "near_spellings",
    "nearest",
    "ordered",
    "similarity",
    "title",
    "vectors_of",
]
