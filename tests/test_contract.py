"""Every method, the same checks: what the contract promises, no method may break. A new method file enters by existing."""

from __future__ import annotations

import math
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ranks import Ranks
from safetensors.torch import load_file
from torch import Tensor
from toys import Blobs, text
from training import StopAfter, state, train

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.method import Clock, Compiled, Method, Source
from selftaught.run import RunFolder

SMALL: dict[str, dict[str, Any]] = {
    "amdim": {"dim": 16},
    "barlow_twins": {"dim": 128, "crop": 0.8, "solarise": 0.0},
    "byol": {"hidden": 128, "crop": 0.8, "strength": 0.5, "solarise": 0.0},
    "cpc": {"width": 8, "depth": 1, "steps": 1, "negatives": 64},
    "dictionary": {"k": 64},
    "dino": {"hidden": 64, "prototypes": 64, "small": 2, "crop": 0.6, "small_crop": 0.4, "strength": 0.5, "solarise": 0.0},
    "fasttext": {"threads": 1},
    "fasttext_classifier": {"threads": 1},
    "glove": {"threads": 1},
    "infomax": {"units": 32},
    "local_aggregation": {"clusters": 8, "background": 192},
    "moco": {"queue": 64},
    "simsiam": {"dim": 128, "bottleneck": 32, "crop": 0.8, "jitter": 0.2},
    "swav": {"prototypes": 16, "hidden": 64, "small": 1, "crop": 0.6, "small_crop": 0.4},
    "vicreg": {"dim": 128, "crop": 0.8, "solarise": 0.0},
    "word2vec": {"threads": 1},
}
"""Arguments that fit a method to 96 pictures of 16 pixels, where its defaults do not."""
TOY: dict[str, dict[str, Any]] = {"local_aggregation": {"warm": 20}}
"""What a method needs besides to learn the toy: neighbours that mean something before it follows them."""
COLOUR = {"cmc"}
"""Methods that need colour: their toys have three channels."""
ENCODERS: dict[str, dict[str, Any]] = {
    "bag": {"min_count": 1}, "conv": {"width": 8, "depth": 2}, "lookup": {"dim": 8, "min_count": 1}, "subwords": {"dim": 8, "min_count": 1},
}  # fmt: skip
"""What each encoder that methods are given by default is built with."""
STEPS = 8


def build(name: str, seed: int = 0, channels: int = 0, **arguments: Any) -> Method:
    torch.manual_seed(seed)
    network = methods.describe(name).network
    if methods.describe(name).sees == "text":
        made = encoders.build(network, source(name).input(), **ENCODERS[network])
        return methods.load(name)(made, **(SMALL.get(name, {}) | arguments))
    channels = channels or channels_of(name)
    spec = {"kind": "image", "size": 16, "channels": channels, "mean": [0.4] * channels, "std": [0.25] * channels}
    encoder = encoders.build(network, spec, **ENCODERS[network])
    return methods.load(name)(encoder, **(SMALL.get(name, {}) | arguments))


def channels_of(name: str) -> int:
    return 3 if name in COLOUR else 1


def source(name: str, n: int = 96, seed: int = 0) -> Any:
    """A toy that the method sees: n pictures; or sentences, the training ones (seed 0) always the same, because they bring the words."""
    if methods.describe(name).sees == "text":
        return text(n if seed else 256, seed)
    return Blobs(n, channels=channels_of(name), seed=seed)


def train_on_rank(name: str, path: str, **recipe: Any) -> dict[str, Tensor]:
    """What each rank of the pair runs."""
    from selftaught.parts.gather import barrier, rank

    if rank() == 0:
        RunFolder.create(path, {"method": {"name": name}})
    barrier()
    method, _ = train(partial(build, name), path, source(name), resume=True, **recipe)
    return state(method)


def prepared(name: str, given: Source, **arguments: Any) -> Method:
    method = build(name, **arguments)
    method.prepare(method.views.bind(given))
    return method.train()


def batch(method: Method, given: Source, index: Any, epoch: int = 0) -> dict[str, Any]:
    bound = method.views.bind(given)
    index = np.asarray(index, dtype=np.int64)
    return method.views.apply(bound.fetch(index), method.views.sample(index, epoch, 0), torch.device("cpu"))


def every(promise: str = "", sees: str | None = None) -> pytest.MarkDecorator:
    """All methods (that see images, or text), those that cannot keep a promise skipped with the reason that they state."""
    cases = []
    for name in methods.names(sees):
        said = getattr(methods.load(name), promise) if promise else True
        cases.append(pytest.param(name, marks=[] if said is True else [pytest.mark.skip(reason=f"{name}: {said}")]))
    return pytest.mark.parametrize("name", cases)


@every()
def test_the_class_says_what_it_is(name: str) -> None:
    cls, spec = methods.load(name), methods.describe(name)
    assert getattr(cls, "__final__", False) and cls.__mro__[1] in (Method, Compiled)
    assert spec.title.strip() and len(spec.doc) > 200
    for argument in spec.arguments:
        assert argument.doc, f"{name}: the argument {argument.name} is not documented"
    for promise in ("deterministic", "distributed", "gradient"):
        said = getattr(cls, promise)
        assert said is True or (isinstance(said, str) and said), f"{name}: {promise} must be True or a reason"


@every("gradient")
def test_the_loss_is_finite_and_gradients_reach_the_players_and_only_them(name: str) -> None:
    given = source(name, 48)
    method = prepared(name, given)
    clock = Clock(0, STEPS)
    everything = dict(method.named_parameters())
    owned: set[Tensor] = set()
    for player in method.players():
        own = {p for g in player.groups for p in g["params"]}
        assert own, f"{player.name} owns nothing"
        owned |= own
        method.zero_grad(set_to_none=True)
        out = method(player=player.name, clock=clock, **batch(method, given, range(16)))
        assert out["loss"].ndim == 0 and math.isfinite(out["loss"].detach())
        out["loss"].backward()
        for key, p in everything.items():
            if p in own:
                assert p.grad is not None, f"no gradient reaches {key} of {player.name}"
            elif len(method.players()) == 1:
                assert p.grad is None, f"a gradient reaches {key}, which nobody owns"
    assert set(method.encoder.parameters()) <= owned, "somebody must train the encoder"
    assert all(p in owned for p in everything.values() if p.requires_grad), "a parameter wants gradients that no player owns"


@every("gradient")
def test_forward_writes_no_state(name: str) -> None:
    """But for the running statistics of batch norm, which every network with one updates as it computes."""
    given = source(name, 48)
    method = prepared(name, given)
    running = ("running_mean", "running_var", "num_batches_tracked")
    before = state(method)
    for player in method.players():
        method(player=player.name, clock=Clock(), **batch(method, given, range(16)))
    after = state(method)
    assert [k for k in before if not k.endswith(running) and not torch.equal(before[k], after[k])] == []
    method.eval()
    for player in method.players():
        method(player=player.name, clock=Clock(), **batch(method, given, range(16)))
    assert [k for k in before if not torch.equal(after[k], state(method)[k])] == []


@every("gradient")
def test_it_learns_a_toy(name: str, tmp_path: Path) -> None:
    train(partial(build, name, **TOY.get(name, {})), tmp_path / "run", source(name, 256), steps=160, batch_size=64, lr=5e-3)
    losses = [m["loss"] for m in RunFolder.open(tmp_path / "run").metrics()]
    # Memories start with random rows, which are easy to tell from a key: only once they are full does the loss mean something.
    start = max(np.mean(losses[i : i + 4]) for i in range(0, 40, 4))
    assert np.mean(losses[-16:]) < start, f"the loss went from {start} to {np.mean(losses[-16:])}"
    method = build(name)
    held_out = source(name, 64, seed=1)
    method.prepare(method.views.bind(source(name, 256)))
    method.load_state_dict(load_file(tmp_path / "run" / "method.safetensors"))
    method.eval()
    with torch.no_grad():
        out = method(player=method.players()[0].name, clock=Clock(), **batch(method, held_out, range(64)))
    if "accuracy" in out:
        assert float(out["accuracy"]) > 1.5 * float(out["chance"]), "the pretext stays at chance on pictures it never saw"


@every("deterministic")
def test_stopping_and_resuming_gives_the_bits_of_never_stopping(name: str, tmp_path: Path) -> None:
    given = source(name)
    whole, _ = train(partial(build, name), tmp_path / "whole", given, steps=STEPS, workers=0)
    _, part = train(partial(build, name), tmp_path / "parts", given, steps=STEPS, observers=[StopAfter(3)])
    assert part.interrupted == signal.SIGTERM and part.step == 3
    resumed, _ = train(partial(build, name, seed=7), tmp_path / "parts", given, steps=STEPS, resume=True, workers=2)
    for k, v in state(whole).items():
        assert torch.equal(v, state(resumed)[k]), k
    a, b = (tmp_path / p / "method.safetensors" for p in ("whole", "parts"))
    assert a.read_bytes() == b.read_bytes()


@every("distributed")
def test_one_rank_and_two_ranks_agree(name: str, ranks: Ranks, tmp_path: Path) -> None:
    # Plain descent with a small step: Adam divides by the root of tiny moments, which magnifies rounding into differences.
    recipe: dict[str, Any] = {"steps": STEPS, "optimizer": "sgd", "lr": 1e-3, "batch_norm_groups": 2}
    one, _ = train(partial(build, name), tmp_path / "one", source(name), **recipe)
    first, second = ranks.call("test_contract", "train_on_rank", name=name, path=str(tmp_path / "two"), **recipe)
    moved = 0.0
    start = state(build(name))
    for k, v in state(one).items():
        assert torch.equal(first[k], second[k]), f"the ranks differ in {k}"
        torch.testing.assert_close(first[k], v, rtol=1e-5, atol=1e-5, msg=lambda m, k=k: f"{k}: {m}")
        if k in start and v.is_floating_point():
            moved = max(moved, float((v - start[k]).abs().max()))
    assert moved > 1e-4, "nothing was trained, so nothing was compared"


@every(sees="images")
def test_colour_works_where_grey_does(name: str) -> None:
    given = Blobs(32, channels=3)
    method = build(name, channels=3)
    method.prepare(method.views.bind(given))
    out = method(player=method.players()[0].name, clock=Clock(), **batch(method, given, range(16)))
    assert math.isfinite(out["loss"].detach())


@pytest.mark.parametrize("name", sorted(COLOUR))
def test_methods_that_need_colour_say_so_when_given_grey_images(name: str) -> None:
    with pytest.raises(UserError, match="colour"):
        prepared(name, Blobs(32), channels=1)
