"""Every option of every method, encoder and recipe has an effect, or is refused: no setting is silent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from typing import Any, final, get_args, get_origin

import numpy as np
import pytest
import torch
from test_contract import case_of
from torch import Tensor

from selftaught import encoders, methods, steps
from selftaught.config import Layer, options, resolve
from selftaught.contract.case import Case
from selftaught.data import catalog
from selftaught.data.hidden import hide
from selftaught.errors import UserError
from selftaught.meter import Meter
from selftaught.method import Clock, Method, Scores, Source, Views, given
from selftaught.recipe import Recipe

UNSEEN = {"threads", "memory", "scratch", "bank"}
"""Arguments of methods that change the speed, or where something is stored, and no number."""
LATER = {"queue_epoch": 1, "warm": 2, "freeze": 1, "interval": 16, "directions": 2, "iterations": 1, "size": 9,
         "min_count": 99, "window": 7}  # fmt: skip
"""Other values, where those near the default would show after hours of training, or do not exist."""
STRINGS = {"views": "R,G,B", "halves": "Y,CbCr", "arguments": '{"width": 4}', "network": "mlp", "activation": "sigmoid"}
FEW = {"dictionary": {"k": 8, "pool": 32}, "local_aggregation": {"clusters": 4, "background": 24, "warm": 1}}
"""What fits methods to still fewer samples than the contract has."""
LOOP: dict[str, Any] = {"batch_size": 16, "lr": 1e-2, "batch_norm_groups": 2, "device": "cpu"}


def colourful(case: Case) -> Case:
    """The case with images in colour, so that options of colours show."""
    toy = case.toy or dict(next(iter(case.toys.VARIANTS), {}))
    return replace(case, toy=toy, arguments={**case.arguments, **FEW.get(case.name, {})})


CASES = [
    colourful(case_of(spec, kind)) for name in methods.names() for spec in methods.specs(name) for kind in spec.sees
]
SOURCES = {kind: name for name, kind in catalog.listed().items()} | {"image": "digits", "text": "sotu"}


def asked(case: Case, section: str, values: Mapping[str, Any]) -> None:
    """What a user asks for, resolved. Raises UserError, for an option without an effect too."""
    name = {"name": case.name}
    layer = Layer.of({"method": name, "data": {"source": SOURCES[case.kind]}} | {section: values})
    layer.values["method.name"] = case.name
    resolve(layer)


@cache
def toy(kind: str, channels: tuple[tuple[str, int], ...]) -> Any:
    """Samples of which half have a label."""
    return hide(Case("", kind, toy=dict(channels)).source(48), "50%", 0)


CLIPPED = {"clip": 0.01}
"""An untrained LSTM has small values, which a larger clip leaves alone."""


@final
class Whole:
    """Embeds all samples at once."""

    def __init__(self, method: Method, source: Source) -> None:
        self.method, self.source = method, source

    @torch.no_grad()
    def __call__(self, views: Views, layer: int | None = None, index: Any = None) -> Tensor:
        index = np.arange(len(self.source)) if index is None else index
        x, masks = given(views.apply(self.source.fetch(index), views.sample(index, 0, 0), torch.device("cpu")))
        features: Tensor = self.method.encoder(x, **masks)
        return features

    def parts(self, views: Views, layer: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        yield torch.arange(len(self.source)), self(views, layer)


def outcome(case: Case, **recipe: Any) -> str:
    """A digest of all that a few steps over three epochs leave: weights, memories, the log, and scores."""
    source = toy(case.kind, tuple(case.toy.items()))
    method = case.prepared(source)
    bound = method.views.bind(source)
    values = {k: v for k, v in (LOOP | recipe).items() if k in steps.reads(method.stepper)}
    stepper = steps.find(method.stepper)(method, bound, Recipe(**values), torch.device("cpu"))
    clock, meter = Clock(values.get("seed", 0), 9), Meter()

    while clock.step < clock.steps:
        method.before_epoch(clock, Whole(method, bound))
        count, batches = stepper.epoch(clock)
        for _ in range(min(count, clock.steps - clock.step)):
            stepper.step(clock, meter, batches)
            clock.step += 1
        clock.epoch += 1
    stepper.close()
    digest = hashlib.sha256(repr(sorted(meter.sums.items())).encode())
    for name, tensor in method.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    if isinstance(method, Scores):
        digest.update(repr(method.score("the sea1 of sea2")).encode())
    return digest.hexdigest()


def others(option: options.Option, value: Any) -> list[Any]:
    """Other values for an option, those most likely to show first."""
    if isinstance(value, bool):
        found: list[Any] = [not value]
    elif isinstance(value, str) and get_origin(option.type) is not None:
        found = list(get_args(option.type))
    elif isinstance(value, str):
        found = [STRINGS[option.name]]
    elif isinstance(value, int):
        found = [LATER.get(option.name, value + 1), 2 * value + 2, value - 1, 4]
    elif isinstance(value, tuple):
        found = [tuple(x / 2 for x in value)]
    else:
        found = [value / 2, value + 0.25, 0.5, 1.0]
    return [other for other in found if other != value]


def met(needs: Mapping[str, Any]) -> dict[str, Any]:
    """Values of other options that an option needs."""
    return {
        key: wanted[-1] if isinstance(wanted, tuple) else True if wanted is True else 0.07 if isinstance(wanted, str)
        else wanted + (8 if isinstance(wanted, int) else 0.5)
        for key, wanted in needs.items()
    }  # fmt: skip


def unmet(needs: Mapping[str, Any], known: Mapping[str, options.Option]) -> list[dict[str, Any]]:
    """For each option that another needs, values with which it has no effect."""
    found = []
    for key, wanted in needs.items():
        if isinstance(wanted, tuple):
            bad = next(choice for choice in get_args(known[key].type) or (True, False) if choice not in wanted)
        else:
            bad = False if wanted is True else known[wanted].default if isinstance(wanted, str) else wanted
        found.append(met(needs) | {key: bad})
    return found


def changes(before: str, case: Case, option: options.Option, usual: Any, **arguments: Any) -> str:
    """Nothing, or that no other value of an argument that is accepted changes anything."""
    accepted = []
    for value in others(option, usual):
        try:
            if outcome(replace(case, arguments={**case.arguments, **arguments, option.name: value})) != before:
                return ""
            accepted.append(value)
        except UserError:
            continue
    return f"{option.name} {accepted} is the same as {usual}" if accepted else ""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{case.kind}" for case in CASES])
def test_every_argument_of_a_method_has_an_effect_or_is_refused(case: Case) -> None:
    spec, known = methods.describe(case.name, case.kind), {o.name: o for o in options.method(case.name, case.kind)}
    assert spec.effects.keys() <= known.keys() | {f.name for f in fields(Recipe)}
    outcomes = cache(lambda arguments: outcome(replace(case, arguments={**case.arguments, **dict(arguments)})))
    wrong = []
    for option in (option for option in known.values() if option.name not in UNSEEN):
        needs = spec.effects.get(option.name, {})
        for bad in unmet(needs, known):
            with pytest.raises(UserError, match=f"^{option.name} has no effect on {case.name} with "):
                asked(case, "method", bad | {option.name: option.default})
        needed = met(needs)
        usual = {**case.arguments, **needed}.get(option.name, option.default)
        wrong.append(changes(outcomes(tuple(needed.items())), case, option, usual, **needed))
    assert not any(wrong), list(filter(None, wrong))


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{case.kind}" for case in CASES])
def test_what_a_method_does_not_read_is_refused_even_at_its_default(case: Case) -> None:
    spec = methods.describe(case.name, case.kind)
    for field in fields(Recipe):
        value = spec.recipe.get(field.name, field.default)
        unread = field.name not in steps.reads(spec.stepper) or spec.effects.get(field.name, {}) is None
        if unread and value is not None and field.name not in {o.name for o in options.method(case.name, case.kind)}:
            with pytest.raises(UserError, match=f"^{field.name} has no effect on {case.name}"):
                asked(case, "recipe", {field.name: value})
    if spec.uses_labels:
        asked(case, "data", {"source": SOURCES[case.kind], "labels": "50%"})
    else:
        with pytest.raises(UserError, match=f"labels has no effect on {case.name}, which does not learn from labels"):
            asked(case, "data", {"source": SOURCES[case.kind], "labels": "50%"})


ELSEWHERE = {"steps", "epochs", "minutes", "checkpoint_every", "keep", "log_every", "device", "workers", "precision"}
"""Fields of `Recipe` whose effect is not in the steps (the loop's, in test_fit), or not on this machine."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simsiam", "fasttext"])
def test_every_field_of_the_recipe_has_an_effect_or_is_refused(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    known = {o.name: o for o in options.recipe()}
    read = steps.reads(methods.describe(name).stepper) - ELSEWHERE
    others_ = {"warmup": 0.5, "milestones": (0.2, 0.3), "clip": 1e-3, "accumulate": 2, "weight_decay": 0.5,
               "optimizer": "sgd", "batch_norm_groups": 4, "batch_size": 12}  # fmt: skip
    for field in sorted(read):
        needs = Recipe.effects.get(field, {})
        for bad in unmet(needs, known):
            with pytest.raises(UserError, match=f"^{field} has no effect on {name} with "):
                asked(case, "recipe", bad | {field: known[field].default})
        recipe = met(needs)
        before, after = (
            outcome(case, **recipe | extra)
            for extra in ({}, {field: others_.get(field) or others(known[field], known[field].default)[0]})
        )
        assert before != after, field


ENCODERS = {encoders.arguments(name): name for name in reversed(encoders.names()) if not name.startswith("vit_")}
"""One encoder for each list of arguments."""


@pytest.mark.parametrize("name", ENCODERS.values())
def test_every_argument_of_an_encoder_has_an_effect_or_is_refused(name: str) -> None:
    kind = (encoders.sees(name) or ("image",))[0]
    toys = Case("", kind).toys
    toy = dict(next(iter(toys.VARIANTS), {}))
    seen, source = toys.seen(**toy), toys.source(8, 1, **toy)
    if name == "alexnet":  # smaller images leave it a single position
        seen, source = seen | {"size": 32}, type(source)(8, 32, seen["channels"], 1)
    known = {o.name: o for o in options.encoder(name)}
    small = encoders.small(name) | {
        "resnet18": {"width": 0.25},
        "vit": {"width": 12, "depth": 1},
        "lstm": CLIPPED,
        "causal_lstm": CLIPPED,
    }.get(name, {})

    def built(arguments: Mapping[str, Any]) -> str:
        torch.manual_seed(0)
        encoder = encoders.build(name, seen, **small | arguments).eval()
        known_to_methods = encoder.dim, len(getattr(encoder, "words", ())), getattr(encoder, "context", 0)
        digest = hashlib.sha256(repr(known_to_methods).encode())
        digest.update(repr([(k, v.sum().item()) for k, v in encoder.state_dict().items()]).encode())
        if kind == "image":
            with torch.no_grad():
                digest.update(encoder(torch.from_numpy(source.images).permute(0, 3, 1, 2) / 255).numpy().tobytes())
        if kind == "signal":
            for training in (False, True):  # dropout is used in training alone
                series = torch.from_numpy(source.fetch(np.arange(8))["signal"])
                digest.update(encoder.train(training)(series).detach().numpy().tobytes())
        if kind == "text":
            texts = [4 * text.split() for text in source.fetch(np.arange(8))["text"]]  # longer than a context
            for training in (False, True):  # dropout is used in training alone
                digest.update(encoder.train(training)(texts).detach().numpy().tobytes())
        return digest.hexdigest()

    for option in known.values():
        needs = encoders.effects(name).get(option.name, {})
        for bad in unmet(needs, known):
            case = next(case for case in CASES if case.kind == kind)
            asked_for = {"name": name} | bad | {option.name: option.default}
            with pytest.raises(UserError, match=f"{option.name} has no effect on encoder {name} with "):
                resolve(Layer.of({"method": case.name, "data": SOURCES[kind], "encoder": asked_for}))
        arguments = met(needs)
        usual = (small | arguments).get(option.name, option.default)
        before, after = built(arguments), []
        for value in others(option, usual):
            with suppress(UserError):
                after.append(built(arguments | {option.name: value}))
            if after and after[-1] != before:
                break
        assert not after or after[-1] != before, option.name
