"""Judging representations honestly: always beside the raw input and the same encoder untrained, never with a test label too early."""

from selftaught.evaluate.embed import embed, raw
from selftaught.evaluate.knn import Neighbours, knn
from selftaught.evaluate.linear import Linear, Probe, fit_linear, linear_probe

__all__ = ["Linear", "Neighbours", "Probe", "embed", "fit_linear", "knn", "linear_probe", "raw"]
