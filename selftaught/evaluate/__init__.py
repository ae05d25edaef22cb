"""Judging representations honestly: always beside the raw input and the same encoder untrained, never with a test label too early."""

from selftaught.evaluate.embed import embed, raw
from selftaught.evaluate.few_labels import label_efficiency
from selftaught.evaluate.knn import Neighbours, knn
from selftaught.evaluate.linear import Linear, Probe, fit_linear, linear_probe
from selftaught.evaluate.probe import probe

__all__ = ["Linear", "Neighbours", "Probe", "embed", "fit_linear", "knn", "label_efficiency", "linear_probe", "probe", "raw"]
