"""Evaluation of representations.

Every result comes with two baselines, the same encoder untrained and the raw input. Test labels are used only for the
final numbers.
"""

from selftaught.evaluate import words
from selftaught.evaluate.classifier import classifier
from selftaught.evaluate.comparison import compare
from selftaught.evaluate.diagnostics import Diagnostics
from selftaught.evaluate.documents import documents
from selftaught.evaluate.embed import embed, raw
from selftaught.evaluate.few_labels import label_efficiency
from selftaught.evaluate.geometry import alignment, embedding_std, rankme, uniformity
from selftaught.evaluate.knn import Neighbours, knn
from selftaught.evaluate.linear import Linear, Probe, fit_linear, linear_probe
from selftaught.evaluate.pretext import pretext, retrieval
from selftaught.evaluate.probe import fresh, probe

__all__ = [
    "Diagnostics",
    "Linear",
    "Neighbours",
    "Probe",
    "alignment",
    "classifier",
    "compare",
    "documents",
    "embed",
    "embedding_std",
    "fit_linear",
    "fresh",
    "knn",
    "label_efficiency",
    "linear_probe",
    "pretext",
    "probe",
    "rankme",
    "raw",
    "retrieval",
    "uniformity",
    "words",
]
