"""A flag beats the file, the file beats the method's recipe, and that beats `Recipe`."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from selftaught import methods
from selftaught.config import Layer, options, read, resolve
from selftaught.errors import UserError
from selftaught.recipe import Recipe


def flags(**values):
    return Layer.of({"method": {"name": "simclr"}, "data": {"source": "digits"}} | values)


def file(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return read(path)


@pytest.fixture
def frugal(monkeypatch):
    """simclr with a recipe of its own that differs from `Recipe` in two values."""
    spec = dataclasses.replace(
        methods.describe("simclr"), recipe={"weight_decay": 0.25, "batch_size": 32, "epochs": 7.0}
    )
    monkeypatch.setattr(methods, "describe", lambda name, kind=None: spec)
    return SimpleNamespace(weight_decay=0.25, batch_size=32)


def test_four_layers(tmp_path, frugal):
    below = file(
        tmp_path, "recipe:\n  lr: 0.5\n  batch_size: 64\nmethod: {temperature: 0.9, dim: 16}\nencoder: {width: 8}\n"
    )
    config = resolve(flags(recipe={"lr": 0.125}, method={"name": "simclr", "temperature": 0.3}), below)
    assert config.recipe.lr == 0.125  # flag over file
    assert config.method_arguments["temperature"] == 0.3
    assert config.recipe.batch_size == 64  # file over method
    assert config.method_arguments["dim"] == 16
    assert config.encoder_arguments["width"] == 8
    assert config.recipe.weight_decay == frugal.weight_decay  # method over Recipe
    assert config.recipe.clip == Recipe().clip
    assert config.method_arguments["hidden"] == 512  # a default of the signature


def test_one_length_replaces_another_whatever_its_unit(tmp_path, frugal):
    assert resolve(flags()).recipe.epochs == 7  # the method's
    below = file(tmp_path, "recipe: {steps: 100}\n")
    assert (resolve(flags(), below).recipe.steps, resolve(flags(), below).recipe.epochs) == (100, None)
    above = resolve(flags(recipe={"minutes": 2.0}), below).recipe
    assert (above.minutes, above.steps, above.epochs) == (2.0, None, None)


def test_a_null_length_in_the_file_is_no_length(tmp_path):
    recipe = resolve(
        flags(recipe={"epochs": 3.0}), file(tmp_path, "recipe: {steps: null, minutes: null, epochs: null}\n")
    ).recipe
    assert (recipe.epochs, recipe.steps, recipe.minutes) == (3.0, None, None)


def test_two_lengths_at_once_are_refused():
    with pytest.raises(UserError, match="give only one of steps, epochs and minutes"):
        resolve(flags(recipe={"steps": 5, "minutes": 1.0}))


def test_method_and_data_may_come_from_the_file(tmp_path):
    config = resolve(Layer.of({}), file(tmp_path, "method: rotation\ndata: {source: digits, limit: 9}\nencoder: mlp\n"))
    assert (config.method, config.encoder, config.data["source"], config.data["limit"]) == (
        "rotation",
        "mlp",
        "digits",
        9,
    )


def test_what_is_written_resolves_to_itself():
    config = resolve(
        flags(
            recipe={"betas": [0.8, 0.9]}, encoder={"name": "conv", "width": 8}, data={"source": "digits", "limit": 20}
        )
    )
    assert resolve(Layer.of(config.as_dict())) == config
    noted = config.as_dict() | {
        "version": "9",
        "demo": True,
        "recipe": config.recipe.as_dict() | {"chosen_for_minutes": 2},
    }
    assert resolve(Layer.of(noted)) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recipe:\n  lrr: 1\n", "line 2: unknown option 'recipe.lrr': did you mean 'recipe.lr'?"),
        (
            "method:\n  temprature: 1\n",
            "line 2: unknown option 'method.temprature': did you mean 'method.temperature'?",
        ),
        (
            "encoder:\n  temperature: 1\n",
            "line 2: unknown option 'encoder.temperature': did you mean 'method.temperature'?",
        ),
        ("lr: 1\n", "line 1: unknown option 'lr': did you mean 'recipe.lr'?"),
        ("recpe:\n  lr: 1\n", "line 2: unknown option 'recpe.lr': did you mean 'recipe.lr'?"),
        ("zzz: 1\n", "line 1: unknown option 'zzz': known are: method, encoder, data, recipe, init."),
        ("recipe:\n  lr: fast\n", "line 2: lr must be a number, not 'fast'"),
        ("recipe:\n  lr: -1\n", "line 2: lr must be a finite number of at least 0, not -1.0"),
        ("recipe:\n  batch_size: 2.5\n", "line 2: batch_size must be a whole number, not 2.5"),
        ("recipe:\n  schedule: cosin\n", "line 2: schedule must be one of cosine, linear, step, constant, not 'cosin'"),
        ("recipe:\n  betas: [0.9]\n", "line 2: betas must be a list of 2 values, each a number, not [0.9]"),
        ("data:\n  limit: 0\n", "line 2: limit must be at least 1, not 0"),
        ("encoder: [conv]\n", "line 1: encoder must be a name, not ['conv']"),
        ("method:\n  temperature: null\n", "line 2: method.temperature must be a number, not None"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_file_line_and_key(tmp_path, text, words):
    with pytest.raises(UserError) as caught:
        resolve(flags(), file(tmp_path, text))
    assert str(caught.value) == f"{tmp_path / 'run.yaml'}, {words}"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"method": "simclrr", "data": "digits"}, "unknown method 'simclrr': did you mean 'simclr'"),
        (
            {"method": "simclr", "data": "digits", "encoder": "resnet81"},
            "unknown encoder 'resnet81': did you mean 'resnet18'",
        ),
        ({"data": "digits"}, "no method is given"),
        ({"method": "simclr"}, "no data is given"),
        ({"method": "simclr", "data": "digits", "recipe": {"warmup": 1.0}}, "warmup must be a share of the training"),
    ],
)
def test_what_is_unknown_or_missing_is_said(layer, words):
    with pytest.raises(UserError) as caught:
        resolve(Layer.of(layer))
    assert str(caught.value).startswith(words)


def test_data_in_memory_need_no_name():
    assert resolve(Layer.of({"method": "simclr"}), data=[b""]).data["source"] is None


def test_every_option_has_a_type_and_a_text():
    for method in methods.names():
        for option in options.every(method, "conv", methods.sees(method)[0]).values():
            assert option.doc, option.key
            assert option.type is not None


def test_short_names_mean_the_shared_then_the_methods_own():
    short = options.plain(options.every("moco", "conv", "image"), False)
    assert short["momentum"] == "method.momentum"  # moco has one of its own
    assert short["lr"] == "recipe.lr"
    assert options.plain(options.every("simclr", "conv", "image"), False)["momentum"] == "recipe.momentum"
    assert "width" not in short  # an encoder's always carry their section


def test_keyword_arguments_find_their_sections():
    assert options.keyed({"temperature": 0.2, "steps": 3}, "simclr", "image") == {
        "method.temperature": 0.2,
        "recipe.steps": 3,
    }
    with pytest.raises(UserError, match="unknown argument of simclr 'temprature': did you mean 'temperature'"):
        options.keyed({"temprature": 0.2}, "simclr", "image")


def test_choices_that_a_signature_names_are_spelt_out():
    pool = options.every("simclr", "conv", "image")["encoder.pool"]
    assert set(pool.type.__args__) == {"mean", "max", "flatten"}
