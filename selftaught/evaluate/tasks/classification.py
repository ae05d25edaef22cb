"""Fine-tuning for classification, with few labels and with all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from selftaught.data.budget import Budget, subset
from selftaught.data.subset import Subset
from selftaught.data.told import no_classes, opening
from selftaught.errors import UserError
from selftaught.evaluate.classifier import classifier
from selftaught.evaluate.embed import embed
from selftaught.evaluate.linear import fit_linear
from selftaught.evaluate.splits import parts
from selftaught.evaluate.task import Said
from selftaught.evaluate.tuning import Parts, Setting, Subject, Tuning
from selftaught.method import Encoder, Method, Source
from selftaught.parts.signature import subclasses
from selftaught.parts.still import still

FOLDS = 5
"""One of so many training labels is held out to choose the setting."""
NEVER = -1e4
"""Logit of a class without a training label."""


@final
class Classification(Tuning):
    """Classes of samples, such as a folder of each: a linear layer on the encoder's features.

    All weights are trained by the method `supervised`, on its random views; the accuracy is that of the classifier on
    plain test samples that do not occur in the training data. With a frozen encoder the layer is the logistic
    regression of the probe.
    """

    metrics = ("accuracy",)
    labels = ("1%", "10%", "all")
    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128}
    settings = (
        {"lr": 2e-3, "trunk": 1.0},
        {"lr": 2e-3, "trunk": 0.1},
        {"lr": 5e-4, "trunk": 1.0},
    )
    head = ({},)

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open labelled samples. Raises UserError if a part has no labels, or there are fewer than two classes."""
        _supervised(run.encoder)
        train, test = run.open(data, "train"), run.open(data, "test")
        if say is not None:
            say(opening(run.named(data), train, test))
        for part, source in (("training", train), ("test", test)):
            if not source.labelled:
                why = no_classes(source)
                raise UserError(f"the {part} data have no labels to fine-tune with{why}: name labelled data")
        index = np.flatnonzero(train.labels >= 0)
        if len(np.unique(train.labels[index])) < 2:
            raise UserError("all training samples have the same label: fine-tuning needs at least two classes")
        return Parts(train if len(index) == len(train) else Subset(train, index), test)

    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return as many samples of every class; a class with fewer gives all of them."""
        index = subset(train.labels, budget, seed)
        return train if len(index) == len(train) else Subset(train, index)

    def halves(self, train: Source, seed: int) -> tuple[Source, Source] | None:
        """Return four fifths of each class, and a fifth; None if a class has a single sample."""
        y, groups = train.labels, train.groups
        if np.unique(y, return_counts=True)[1].min() < 2:
            return None
        held = parts(y, FOLDS, seed, groups) == 0
        if len(np.unique(y[~held])) < len(np.unique(y)) or not held.any():
            return None
        return Subset(train, np.flatnonzero(~held)), Subset(train, np.flatnonzero(held))

    def steps(self, train: Source) -> int:
        """Return 300 steps for up to 500 labels, twice as many for ten times the labels, at most 1,200."""
        return round(300 * 2 ** min(max(math.log10(len(train) / 500), 0.0), 2.0))

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the method `supervised`."""
        return _supervised(encoder)(still(encoder) if frozen else encoder, **setting)

    def solved(self, method: Method, train: Source, seed: int) -> bool:
        """Fit the linear layer by logistic regression, its penalty chosen on the training labels."""
        method.prepare(method.views.bind(train))
        head = getattr(method, "head", None)
        if not isinstance(head, torch.nn.Linear):
            raise TypeError(f"the supervised method of this kind of sample has no linear layer 'head' but {head!r}")
        fitted = fit_linear(embed(method.encoder, train), train.labels, seed, groups=train.groups)
        scale = torch.from_numpy(fitted.standard.scale)
        weight = fitted.weight * scale  # of features that are not scaled
        bias = fitted.bias - weight @ torch.from_numpy(fitted.standard.mean)
        with torch.no_grad():
            head.weight.zero_()[: len(weight)] = weight
            head.bias.fill_(NEVER)[: len(bias)] = bias
        return True

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method `supervised` with as many outputs as the weights have."""
        own = {name: value for name, value in setting.items() if name != "lr"}
        made: Any = self.method(encoder, False, **own)
        made.head = torch.nn.Linear(encoder.dim, len(tensors["head.weight"]))
        restored: Method = made
        return restored

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return the accuracy. Raises UserError if every test sample also occurs in the training data."""
        accuracy = classifier(method, train, test)
        if accuracy is None:
            raise UserError("every test sample also occurs in the training data: name other data")
        return {"accuracy": accuracy}


def _supervised(encoder: Encoder) -> type[Method]:
    """Return the reference method for the samples of an encoder. Raises UserError if there is none."""
    kind = str(encoder.spec["input"]["kind"])
    name = f"selftaught.methods.supervised.{kind}"
    if not kind.isidentifier() or (spec := find_spec(name)) is None or spec.origin is None:
        raise UserError(
            f"classification cannot train an encoder of the kind {kind}: no method supervised learns from it"
        )
    module = import_module(name)
    (declared,) = subclasses(Path(spec.origin), "Method")
    found: type[Method] = getattr(module, declared.name)
    return found
