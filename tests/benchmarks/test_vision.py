"""Rows of the benchmark of images: what they run, how they are said, and what a row of several seeds holds."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.vision import DATA, PATCHES, VARIANTS, cases, network, rows
from selftaught import methods
from selftaught.config import options


def run(case: str, seed: int, linear: float, **more: Any) -> dict[str, Any]:
    return {
        "data": "cifar10",
        "case": case,
        "seed": seed,
        "steps": 100 + seed,
        "seconds": 45.0,
        "images_per_second": 1000.0,
        "pretext": {"accuracy": 0.5 + seed / 10, "chance": 0.25},
        "probe": {"linear": linear, "knn": 40.0},
        **more,
    }


BASE = [
    {"data": "cifar10", "seed": s, "untrained": {"linear": 48.0 + s, "knn": 35.0}, "raw": {"linear": 38.0, "knn": 33.0}}
    for s in range(2)
]


def test_a_row_has_the_mean_and_the_spread_of_its_seeds_beside_their_own_untrained_encoders() -> None:
    (row,) = rows([run("moco", 1, 58.0), run("moco", 0, 60.0)], BASE)
    assert (row["seeds"], row["steps"], row["pretext"]) == (2, 100, {"accuracy": 0.55, "chance": 0.25})
    linear = row["probe"]["linear"]
    assert (linear["trained"], linear["untrained"], linear["raw"]) == (59.0, 48.5, 38.0)
    assert linear["spread"] == {"trained": 1.41, "untrained": 0.71, "raw": 0.0}
    assert row["probe"]["labels"] == {}


def test_an_encoder_of_another_form_has_that_forms_own_untrained_row() -> None:
    (row,) = rows([run("moco-layer-norm", 0, 60.0, untrained={"linear": 45.0, "knn": 30.0})], BASE)
    assert row["probe"]["linear"]["untrained"] == 45.0


def test_refused_runs_have_no_row() -> None:
    assert rows([{"data": "fashion-mnist", "case": "cmc", "seed": 0, "refused": "cmc needs colour"}], []) == []


@pytest.mark.parametrize("data", DATA)
def test_every_method_of_images_and_every_variant_of_the_data_is_a_case(data: str) -> None:
    assert set(cases(data)) == {
        *methods.names("image"),
        *(name for name, (where, *_) in VARIANTS.items() if where == data),
    }


@pytest.mark.parametrize("case", VARIANTS)
def test_a_variant_says_arguments_that_exist_and_not_the_defaults(case: str) -> None:
    _, method, arguments = VARIANTS[case]
    inside = {f"encoder.{k}": v for k, v in arguments.get("encoder", {}).items() if k != "name"}
    encoder = arguments.get("encoder", network(method))["name"]
    known = options.every(method, encoder, "image")
    told = options.keyed({k: v for k, v in arguments.items() if k != "encoder"}, method, "image") | inside
    differs = encoder != network(method)["name"] or any(value != known[key].default for key, value in told.items())
    assert differs or case in PATCHES
    assert told.keys() <= known.keys()


def test_a_command_repeats_what_was_measured_in_its_size_too() -> None:
    (row,) = rows([run("moco", 0, 50.0, data="photos")], [{**BASE[0], "data": "photos"}])
    assert row["command"] == "selftaught pretrain moco photos --minutes 0.75 --size 32"


def test_commands_are_what_a_user_would_type() -> None:
    def command(case: str) -> str:
        data, *_ = VARIANTS[case]
        (row,) = rows([run(case, 0, 50.0, data=data)], [{**BASE[0], "data": data}])
        return str(row["command"])

    assert command("moco-unshuffled") == "selftaught pretrain moco cifar10 --minutes 0.75 --no-shuffle"
    assert (
        command("moco-layer-norm")
        == "selftaught pretrain moco cifar10 --minutes 0.75 --encoder conv --encoder.norm layer"
    )
    assert (
        command("moco-v2") == "selftaught pretrain moco fashion-mnist --minutes 0.75 --mlp --temperature 0.2 --blur 0.5"
    )
    assert command("mean_teacher-one-head") == "selftaught pretrain mean_teacher cifar10 --minutes 0.75 --no-two-heads"
