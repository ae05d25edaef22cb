"""The loop, driven by toys that use every hook: what it promises must hold for any method to come."""

from __future__ import annotations

import json
import math
import signal
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
import toys
from torch import Tensor, nn
from training import StopAfter, state, train

from selftaught import optimizer
from selftaught.contract.case import Case
from selftaught.contract.ranks import Ranks
from selftaught.contract.training import RECIPE
from selftaught.device import pick_device, reseed
from selftaught.errors import UserError
from selftaught.fit import NonFiniteLoss, fit
from selftaught.method import Clock, Method
from selftaught.parts.norm import set_groups
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

NAMES = sorted(toys.TOYS)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_one_player_matches_a_hand_written_loop(tmp_path: Path) -> None:
    method, result = train(
        lambda: toys.build("plain"), tmp_path / "run", optimizer="adamw", schedule="cosine", warmup=0.25, steps=8
    )
    assert (result.step, result.steps, result.interrupted) == (8, 8, None)

    hand, source = toys.build("plain"), toys.Blobs()
    decay = [p for p in hand.parameters() if p.ndim > 1]
    rest = [p for p in hand.parameters() if p.ndim == 1]
    opt = torch.optim.AdamW(
        [{"params": decay}, {"params": rest, "weight_decay": 0.0}], lr=1e-2, weight_decay=1e-4, fused=True
    )
    set_groups(hand, 2)
    step = 0
    for epoch in range(2):
        order = hand.order(epoch, 0, len(source))
        for b in range(6):
            if step == 8:
                break
            index = order[16 * b : 16 * b + 16]
            batch = hand.views.apply(source.fetch(index), hand.views.sample(index, epoch, 0), torch.device("cpu"))
            progress = (step + 0.5) / 8
            factor = progress / 0.25 if progress < 0.25 else 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75))
            for g in opt.param_groups:
                g["lr"] = 1e-2 * factor
            opt.zero_grad()
            hand(player="main", clock=Clock(), **batch)["loss"].backward()
            opt.step()
            step += 1
    assert same(state(method), state(hand))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_stopping_and_resuming_gives_the_bits_of_never_stopping(name: str, stop: int, tmp_path: Path) -> None:
    def build() -> Method:
        return toys.build(name, seed=3)

    whole, _ = train(build, tmp_path / "whole", clip=1.0)
    _, part = train(build, tmp_path / "parts", observers=[StopAfter(stop)], clip=1.0)
    assert part.interrupted == signal.SIGTERM and part.step == stop < part.steps
    # Built with another seed: the weights must come from the checkpoint.
    resumed, result = train(lambda: toys.build(name, seed=99), tmp_path / "parts", resume=True, clip=1.0)
    assert result.step == result.steps == 9 and result.interrupted is None
    assert same(state(whole), state(resumed))
    a, b = (RunFolder.open(tmp_path / p) for p in ("whole", "parts"))
    assert (a.path / "method.safetensors").read_bytes() == (b.path / "method.safetensors").read_bytes()
    timed = {"images_per_second", "seconds_left"}
    assert [{k: v for k, v in m.items() if k not in timed} for m in a.metrics()] == [
        {k: v for k, v in m.items() if k not in timed} for m in b.metrics()
    ]


def test_the_log_between_two_logged_steps_survives_a_stop(tmp_path: Path) -> None:
    train(lambda: toys.build("plain"), tmp_path / "whole", log_every=5, steps=10)
    train(lambda: toys.build("plain"), tmp_path / "parts", log_every=5, steps=10, observers=[StopAfter(3)])
    train(lambda: toys.build("plain"), tmp_path / "parts", log_every=5, steps=10, resume=True)
    losses = [[m["loss"] for m in RunFolder.open(tmp_path / p).metrics()] for p in ("whole", "parts")]
    assert losses[0] == losses[1] and len(losses[0]) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_rank_and_two_ranks_agree(name: str, accumulate: int, ranks: Ranks, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"accumulate": accumulate, "optimizer": "sgd", "lr": 0.05}
    one, _ = train(lambda: toys.build(name), tmp_path / "one", **recipe)
    two = ranks.call("training", "train_toy_on_rank", name=name, path=str(tmp_path / "two"), **recipe)
    for states, result in two:
        assert result["step"] == 9
        for k, v in state(one).items():
            a, b = states[k], v
            if k == "queue" and accumulate > 1:  # the same keys, rank by rank instead of micro-batch by micro-batch
                a, b = (x[x.sum(1).argsort()] for x in (a, b))
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5, msg=lambda m, k=k: f"{k}: {m}")
    logged = [[m["loss"] for m in RunFolder.open(tmp_path / p).metrics()] for p in ("one", "two")]
    np.testing.assert_allclose(logged[0], logged[1], rtol=1e-4)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(workers: int, tmp_path: Path) -> None:
    alone, _ = train(lambda: toys.build("memory"), tmp_path / "alone", workers=0)
    many, _ = train(lambda: toys.build("memory"), tmp_path / "many", workers=workers)
    assert same(state(alone), state(many))


def test_the_seed_changes_the_order_and_the_noise(tmp_path: Path) -> None:
    a, _ = train(lambda: toys.build("plain"), tmp_path / "a", seed=0)
    b, _ = train(lambda: toys.build("plain"), tmp_path / "b", seed=1)
    assert not same(state(a), state(b))


def test_what_prepare_draws_depends_on_the_recipes_seed_alone(tmp_path: Path) -> None:
    starts = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(100 + number)
        method, _ = train(partial(toys.build, "banked", seed=number), tmp_path / str(number), steps=1, seed=seed)
        starts.append(int(method.bank.seed))
    assert starts[0] == starts[1] != starts[2]


def test_accumulating_equals_one_large_batch_where_samples_do_not_meet(tmp_path: Path) -> None:
    def build() -> Method:
        method = toys.build("plain")
        method.encoder.body[1] = nn.Identity()  # batch statistics would make samples meet
        return method

    recipe = {"optimizer": "sgd", "lr": 0.1, "batch_norm_groups": 1}
    whole, _ = train(build, tmp_path / "whole", accumulate=1, **recipe)
    parts, _ = train(build, tmp_path / "parts", accumulate=4, **recipe)
    for k, v in state(whole).items():
        torch.testing.assert_close(state(parts)[k], v, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_every_key_is_pushed_once_a_step(accumulate: int, tmp_path: Path) -> None:
    method, _ = train(lambda: toys.build("memory"), tmp_path / "run", accumulate=accumulate, steps=6)
    assert int(method.pushed) == 6 * 16  # one whole epoch of 96
    assert method.visits.tolist() == [1] * 96


def test_players_take_their_turns_and_touch_only_their_own(tmp_path: Path) -> None:
    seen: list[tuple[str, set[str]]] = []

    def build() -> Method:
        method = toys.build("game")
        forward = method.forward

        def watched(*, player: str, clock: Clock, **batch: Any) -> dict[str, Any]:
            seen.append((player, {n.split(".")[0] for n, p in method.named_parameters() if p.requires_grad}))
            return forward(player=player, clock=clock, **batch)

        method.forward = watched  # type: ignore[method-assign]
        return method

    method, _ = train(build, tmp_path / "run", steps=2)
    assert seen == [("encoder", {"encoder", "decoder"}), ("critic", {"critic"}), ("critic", {"critic"})] * 2
    assert int(method.rounds) == 2 * 16
    line = RunFolder.open(tmp_path / "run").metrics()[0]
    assert {"loss", "critic/loss", "lr"} <= line.keys()


def test_lr_scale_and_schedule_of_a_group_are_obeyed(tmp_path: Path) -> None:
    rates: list[float] = []

    recipe = Recipe(**RECIPE)
    opt = optimizer.build(toys.build("clusters").players()[0], recipe)
    for progress in (0.5, 0.99):
        optimizer.set_rates(opt, recipe, progress)
        rates += [g["lr"] for g in opt.param_groups]
    cosine, constant = rates[0::4] + rates[1::4], rates[2::4] + rates[3::4]
    assert constant == [1e-2] * 4 and cosine[0] > cosine[1]
    game = optimizer.build(toys.build("game").players()[1], recipe)
    optimizer.set_rates(game, recipe, 0.05)
    assert all(g["lr"] == pytest.approx(0.5e-2) for g in game.param_groups)


def test_reclustering_resets_the_optimiser_at_each_epoch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    original = optimizer.build
    monkeypatch.setattr(
        optimizer, "build", lambda player, recipe: built.append(player.name) or original(player, recipe)
    )
    _, result = train(lambda: toys.build("clusters"), tmp_path / "run", steps=12)
    assert result.step == 12
    assert built == ["main"] * 3  # once to begin, once at the start of each of the two epochs


def test_before_epoch_sees_features_in_data_set_order_and_leaves_no_trace(tmp_path: Path) -> None:
    codes: list[Tensor] = []

    @final
    class Watching(Method):
        def __init__(self) -> None:
            super().__init__()
            inner = toys.build("plain")
            self.encoder, self.views, self.inner = inner.encoder, inner.views, inner

        def forward(self, **batch: Any) -> dict[str, Any]:
            return self.inner(**batch)

        def before_epoch(self, clock: Clock, embed: Any) -> None:
            before = state(self)
            codes.append(embed(toys.Clean(), None))
            index, rows = (torch.cat(part) for part in zip(*embed.parts(toys.Clean(), None), strict=True))
            assert torch.equal(index, torch.arange(96)) and torch.equal(rows, codes[-1])
            assert same(before, state(self)) and self.encoder.training
            assert embed(self.views, 0).shape == (96, 16)
            torch.testing.assert_close(embed(toys.Clean(), None, np.array([7, 2, 7])), codes[-1][[7, 2, 7]])

    torch.manual_seed(0)
    train(Watching, tmp_path / "run", steps=2, batch_size=96, batch_norm_groups=1)
    fresh = toys.build("plain").encoder
    x = torch.from_numpy(toys.Blobs().images.reshape(96, -1)).float() / 255
    fresh.body[1].momentum = 1.0
    fresh.train()(x)  # a new batch norm gets the statistics of the data
    torch.testing.assert_close(codes[0], fresh.eval()(x).detach(), atol=1e-5, rtol=1e-4)
    assert len(codes) == 2  # in the second epoch it has its own
    assert float((codes[1] - codes[0]).abs().max()) > 0.1


def test_dropout_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    def build() -> Method:
        torch.manual_seed(0)
        return toys.Plain(toys.Dense(dropout=0.5))

    whole, _ = train(build, tmp_path / "whole")
    train(build, tmp_path / "parts", observers=[StopAfter(5)])
    torch.rand(1000)  # somebody else uses the generator in between
    parts, _ = train(build, tmp_path / "parts", resume=True)
    assert same(state(whole), state(parts))
    other, _ = train(build, tmp_path / "other", seed=5)
    assert not same(state(whole), state(other))


def test_reseed_is_a_function_of_all_its_integers() -> None:
    cpu, draws = torch.device("cpu"), set()
    for key in [(0, 0), (0, 1), (1, 0), (0, 0)]:
        reseed(*key, device=cpu)
        draws.add(float(torch.rand(())))
    assert len(draws) == 3


def _spoil(loss: Tensor, how: str) -> Tensor:
    # the root's slope is infinite at 0: a finite loss with a gradient that is none
    return {"nan": loss * float("nan"), "inf": loss * 1e38 * 1e38, "root": loss + (loss * 0).sqrt()}[how]


@pytest.mark.parametrize(
    ("how", "clip", "what"), [("nan", 0.0, "loss"), ("inf", 0.0, "loss"), ("root", 1.0, "gradient norm")]
)
def test_a_loss_that_is_no_number_stops_before_the_update(how: str, clip: float, what: str, tmp_path: Path) -> None:
    @final
    class Exploding(Method):
        def __init__(self) -> None:
            super().__init__()
            self.inner = toys.build("plain")
            self.encoder, self.views = self.inner.encoder, self.inner.views

        def forward(self, *, clock: Clock, **batch: Any) -> dict[str, Any]:
            out = self.inner(clock=clock, **batch)
            if clock.step == 4:
                before.update(state(self))
                out["loss"] = _spoil(out["loss"], how)
            return out

    before: dict[str, Tensor] = {}
    method = Exploding()
    folder = RunFolder.create(tmp_path / "run", {})
    with pytest.raises(
        NonFiniteLoss, match=rf"the {what} of player 'main' is not finite at step 4.*step-00000003.*--lr"
    ):
        fit(method, toys.Blobs(), Recipe(**(RECIPE | {"checkpoint_every": 3, "clip": clip})), folder)
    assert before and all(torch.equal(before[k], v) for k, v in method.named_parameters())


@pytest.mark.parametrize("each", [False, True])
def test_gradients_are_clipped_together_or_each(each: bool, tmp_path: Path) -> None:
    recipe = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "lr": 1.0,
        "schedule": "constant",
        "warmup": 0.0,
    }
    before = state(toys.build("plain"))
    method, _ = train(partial(toys.build, "plain"), tmp_path / "run", steps=1, clip=1e-3, clip_each=each, **recipe)
    moved = [float((p.detach() - before[name]).norm()) for name, p in method.named_parameters()]
    together = sum(x**2 for x in moved) ** 0.5
    assert max(moved) == pytest.approx(1e-3, rel=1e-2) if each else together == pytest.approx(1e-3, rel=1e-2)
    assert (together > 1.5e-3) == each


def test_minutes_become_steps_once_and_are_recorded(tmp_path: Path) -> None:
    def build() -> Method:
        return toys.build("clusters")

    method, result = train(build, tmp_path / "timed", steps=None, minutes=0.004)
    recipe = RunFolder.open(tmp_path / "timed").config["recipe"]
    assert recipe["steps"] == result.steps == result.step and recipe["minutes"] is None
    assert recipe["chosen_for_minutes"] == pytest.approx(0.004)
    counted, _ = train(build, tmp_path / "counted", steps=result.steps)
    assert same(state(method), state(counted))  # measuring the speed left no trace


@pytest.mark.parametrize(("epochs", "steps"), [(1, 6), (2.5, 15), (0.01, 1)])
def test_epochs_become_steps(epochs: float, steps: int, tmp_path: Path) -> None:
    _, result = train(lambda: toys.build("plain"), tmp_path / "run", steps=None, epochs=epochs)
    assert result.steps == result.step == steps


def test_a_compiled_method_advances_slice_by_slice(tmp_path: Path) -> None:
    corpus = toys.text()
    method, result = train(toys.counted, tmp_path / "run", corpus, steps=None, epochs=2.5)
    assert result.steps == result.step == 10
    whole, half = (
        np.bincount(part, minlength=len(corpus.words)) for part in (corpus.ids, corpus.ids[: len(corpus.ids) // 2])
    )
    assert method.counts.tolist() == (2 * whole + half).tolist()
    line = RunFolder.open(tmp_path / "run").metrics()[-1]
    assert line["words_per_second"] > 0 and "words" not in line and line["loss"] == pytest.approx(0.1)


def test_a_compiled_method_resumes_inside_an_epoch_with_the_same_bits(tmp_path: Path) -> None:
    corpus = toys.text()
    whole, _ = train(toys.counted, tmp_path / "whole", corpus, steps=10)
    _, part = train(toys.counted, tmp_path / "parts", corpus, steps=10, observers=[StopAfter(6)])
    assert part.interrupted == signal.SIGTERM and part.step == 6
    resumed, _ = train(lambda: toys.counted(seed=3), tmp_path / "parts", corpus, steps=10, resume=True)
    assert same(state(whole), state(resumed))


def test_a_compiled_method_whose_loss_is_no_number_stops(tmp_path: Path) -> None:
    with pytest.raises(
        NonFiniteLoss,
        match=r"the loss is not finite at step 5; the last good checkpoint is .*step-00000004: lower --lr",
    ):
        train(lambda: toys.counted(spoil=5), tmp_path / "run", toys.text(), steps=10, checkpoint_every=2)


def test_minutes_of_a_compiled_method_become_steps(tmp_path: Path) -> None:
    method, result = train(toys.counted, tmp_path / "timed", toys.text(), steps=None, minutes=0.002)
    counted, _ = train(toys.counted, tmp_path / "counted", toys.text(), steps=result.steps)
    assert same(state(method), state(counted))  # measuring the speed left no trace


def test_observers_see_every_step_and_their_findings_join_the_log(tmp_path: Path) -> None:
    @final
    class Watcher:
        def __init__(self) -> None:
            self.steps: list[int] = []
            self.finished = 0

        def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> dict[str, Any] | None:
            self.steps.append(clock.step)
            assert bool(scalars) == (clock.step % 4 == 0 or clock.step == 9)
            return {"knn": 12.5} if clock.step == 3 else None

        def finish(self) -> None:
            self.finished += 1

    watcher = Watcher()
    train(lambda: toys.build("plain"), tmp_path / "run", observers=[watcher], log_every=4)
    assert watcher.steps == list(range(1, 10)) and watcher.finished == 1
    lines = RunFolder.open(tmp_path / "run").metrics()
    assert [m["step"] for m in lines] == [3, 4, 8, 9] and lines[0]["knn"] == 12.5


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    first, _ = train(lambda: toys.build("plain"), tmp_path / "run")
    again, result = train(lambda: toys.build("plain", seed=1), tmp_path / "run", resume=True)
    assert result.step == 9 and same(state(first), state(again))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"batch_size": 97, "batch_norm_groups": 1}, "larger than the data set of 96 samples"),
        ({"batch_norm_groups": 3}, "batch_norm_groups 3"),
        ({"device": "cuda:7"}, "finds no CUDA"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(recipe: dict[str, Any], words: str, tmp_path: Path) -> None:
    if recipe.get("device") == "cuda:7" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=words):
        train(lambda: toys.build("plain"), tmp_path / "run", **recipe)


def test_turns_that_need_more_than_an_epoch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs 3 batches of 48, an epoch has only 96"):
        train(lambda: toys.build("game"), tmp_path / "run", batch_size=48)


def test_a_run_that_died_before_its_first_checkpoint_starts_its_log_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    folder.log({"step": 1, "loss": 7.0})
    train(lambda: toys.build("plain"), tmp_path / "run", resume=True)
    assert [m["step"] for m in folder.metrics()] == list(range(1, 10))


def test_other_data_is_not_resumed_on(tmp_path: Path) -> None:
    train(lambda: toys.build("plain"), tmp_path / "run", observers=[StopAfter(2)])
    with pytest.raises(UserError, match="this is not the data that"):
        train(lambda: toys.build("plain"), tmp_path / "run", resume=True, source=toys.Blobs(95))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cuda:3", "device 'cuda:3' is not available: the last CUDA GPU that torch finds is cuda:1"),
        ("mps", "device 'mps' is not available, because torch finds no Apple GPU: use --device cpu"),
        ("xpu", "device 'xpu' is not available, because torch finds no Intel GPU: use --device cpu"),
        ("meta", "unknown device 'meta'"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: str, sentence: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    with pytest.raises(UserError, match=sentence):
        pick_device(name)
    assert pick_device("cuda:1") == torch.device("cuda:1")


def test_auto_device_is_the_cpu_without_a_gpu() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_checkpoints_are_kept_newest_and_best(tmp_path: Path) -> None:
    train(lambda: toys.build("plain"), tmp_path / "run", checkpoint_every=2, keep=2, lr=0.0, steps=12, log_every=100)
    losses = {}
    for p in sorted((tmp_path / "run" / "checkpoints").iterdir()):
        manifest = json.loads((p / "manifest.json").read_text())
        losses[manifest["step"]] = manifest["loss"]
    assert {10, 12} <= losses.keys() and len(losses) in (2, 3)
    assert min(losses, key=lambda s: losses[s]) == min(losses, key=lambda s: (losses[s], s))


def test_bfloat16_is_used_when_asked_for(tmp_path: Path) -> None:
    kinds: set[torch.dtype] = set()

    def build() -> Method:
        method = toys.build("plain")
        method.decoder.register_forward_hook(lambda m, i, o: kinds.add(o.dtype))
        return method

    train(build, tmp_path / "half", precision="bfloat16", steps=2)
    assert kinds == {torch.bfloat16}
    kinds.clear()
    train(build, tmp_path / "full", precision="auto", steps=2)
    assert kinds == {torch.float32}


@pytest.mark.parametrize(("able", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_native_precision_is_what_the_cpu_multiplies(
    able: bool, kind: torch.dtype, tmp_path: Path, monkeypatch: Any
) -> None:
    kinds: set[torch.dtype] = set()

    def build() -> Method:
        method = toys.build("plain")
        method.decoder.register_forward_hook(lambda m, i, o: kinds.add(o.dtype))
        return method

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": able})
    train(build, tmp_path / "run", precision="native", steps=2)
    assert kinds == {kind}


@pytest.mark.parametrize(
    ("name", "arguments", "recipe", "words"),
    [
        (
            "simclr",
            {},
            {"accumulate": 16, "batch_norm_groups": 1},
            "SimCLR compares .* / accumulate 16 is 1: use a",
        ),
        ("cmc", {}, {"accumulate": 16, "batch_norm_groups": 1}, "CMC compares"),
        ("dictionary", {"keys": "batch", "k": 0}, {"accumulate": 16, "batch_norm_groups": 1}, "Dictionary compares"),
        ("vicreg", {}, {"batch_size": 1, "batch_norm_groups": 1}, "VICReg compares .* but batch_size 1 / accumulate 1"),
        ("byol", {}, {"batch_size": 1, "batch_norm_groups": 1}, "BYOL has batch norm, which needs at least 2 samples"),
        ("simsiam", {}, {"accumulate": 8}, "accumulate 8 / batch_norm_groups 2 is 1: use a larger --batch-size"),
    ],
)
def test_samples_without_others_to_be_compared_with_are_one_sentence(
    name: str, arguments: dict[str, Any], recipe: dict[str, Any], words: str, tmp_path: Path
) -> None:
    case = Case(name, "image", arguments, toy={"channels": 3})
    with pytest.raises(UserError, match=words):
        train(case.build, tmp_path / "run", case.source(17), **recipe)


def test_a_last_batch_of_one_is_left_out(tmp_path: Path) -> None:
    case = Case("byol", "image", {"hidden": 8, "dim": 8})
    _, result = train(case.build, tmp_path / "run", case.source(17), steps=None, epochs=2, batch_norm_groups=1)
    assert result.steps == 2
