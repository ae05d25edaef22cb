"""Views by the fused kernel and by torch, held to a slow reference and to each other."""

import os
import subprocess
import sys
import threading
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from views import reference

from selftaught.errors import UserError
from selftaught.kernels import image as kernel
from selftaught.views import image as module
from selftaught.views.image import Augment, ImageViews, apply_torch, denormalise, plain

CPU = torch.device("cpu")
ALL = Augment(
    crop=(0.08, 1.0),
    flip=0.5,
    jitter=(0.8, 0.8, 0.8, 0.5),
    jitter_p=0.9,
    grey=0.3,
    blur=0.5,
    solarise=0.3,
    turns=(0, 1, 2, 3),
)


def input_of(channels: int, size: int, std: float = 0.25) -> dict:
    return {
        "kind": "image",
        "size": size,
        "channels": channels,
        "mean": [0.1 + 0.05 * c for c in range(channels)],
        "std": [std] * channels,
    }


def images(sizes: list[tuple[int, int]], channels: int, seed: int = 0) -> list[np.ndarray]:
    """Noise, half of it smoothed, some of it black, white and grey: where clamps and hues have their corners."""
    generator = np.random.default_rng(seed)
    made = [generator.integers(0, 256, (*size, channels), np.uint8) for size in sizes]
    for i in range(0, len(made), 4):
        made[i][...] = (
            made[i].mean(axis=2, keepdims=True).astype(np.uint8) if i % 8 else generator.choice([0, 255], made[i].shape)
        )
    return made


def both(views: ImageViews, pictures, seed: int = 0, epoch: int = 0):
    """Parameters, the fused kernel's batch and torch's."""
    index = np.arange(len(pictures))
    params = views.sample(index, epoch, seed)
    raw = {"image": pictures, "index": index}
    return params, views.apply(raw, params, CPU), apply_torch(views, raw, params, CPU)


def expected(views: ImageViews, pictures, params, v: int) -> np.ndarray:
    """The reference's normalised views, [B, C, S, S]."""
    mean, std = (np.array(views.input[name]) for name in ("mean", "std"))
    made = []
    for b, picture in enumerate(pictures):
        draws = {name: values[b, v] for name, values in params.items()}
        made.append((reference.view(picture, views.augments[v], draws, views.sides[v]) - mean) / std)
    return np.stack(made).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    side=st.integers(1, 34), seed=st.integers(0, 99),
)  # fmt: skip
def test_fused_and_torch_are_the_reference(channels, sizes, side, seed):
    views = ImageViews(input_of(channels, side), image=ALL)
    pictures = images(sizes, channels, seed)
    params, fused, batched = both(views, pictures, seed)
    wanted = expected(views, pictures, params, 0)
    np.testing.assert_allclose(fused["image"].numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(batched["image"].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_of_the_jitter(order):
    views = ImageViews(input_of(3, 12), image=Augment(crop=(0.3, 1.0), jitter=(0.9, 0.9, 0.9, 0.5), jitter_p=1.0))
    pictures = np.stack(images([(16, 16)] * 8, 3))
    params = views.sample(np.arange(8), 0, 0)
    params["order"][:] = order
    raw = {"image": pictures}
    wanted = expected(views, pictures, params, 0)
    np.testing.assert_allclose(views.apply(raw, params, CPU)["image"].numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(apply_torch(views, raw, params, CPU)["image"].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("side", [2, 7, 20])
@pytest.mark.parametrize("radius", range(1, 14))
def test_every_radius_of_the_blur(radius, side):
    sigma = (radius - 0.5) / 3
    views = ImageViews(input_of(3, side), image=Augment(blur=1.0, blur_sigma=(sigma, sigma)))
    pictures = np.stack(images([(side, side)] * 4, 3))
    params, fused, batched = both(views, pictures)
    wanted = expected(views, pictures, params, 0)
    np.testing.assert_allclose(fused["image"].numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(batched["image"].numpy(), wanted, atol=1e-4)


def test_every_hue_turned_all_the_way_round():
    grid = np.stack(np.meshgrid(*[np.array([0, 1, 127, 254, 255], np.uint8)] * 3, indexing="ij"), axis=-1).reshape(
        1, 5, 25, 3
    )
    views = ImageViews(input_of(3, 25), image=Augment(jitter=(0.0, 0.0, 0.0, 0.5), jitter_p=1.0))
    pictures = np.repeat(np.repeat(grid, 5, axis=1), 25, axis=0)
    params = views.sample(np.arange(25), 0, 0)
    params["factor"][:, 0, 3] = np.linspace(-0.5, 0.5, 25)
    fused = views.apply({"image": pictures}, params, CPU)["image"].numpy()
    np.testing.assert_allclose(fused, expected(views, pictures, params, 0), atol=1e-4)


@pytest.mark.parametrize("side", [33, 96])
def test_larger_views_of_photographs_sized_images(side):
    views = ImageViews(input_of(3, side), image=ALL)
    pictures = images([(150, 200), (97, 61), (300, 40)], 3)
    params, fused, batched = both(views, pictures)
    wanted = expected(views, pictures, params, 0)
    np.testing.assert_allclose(fused["image"].numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(batched["image"].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(28, 28), (8, 8), (60, 45), (31, 90), (1, 1), (5, 40), (224, 3)])
def test_plain_resizes_and_crops_the_centre(size, channels):
    picture = images([size], channels)[0]
    batch = plain(input_of(channels, 28)).apply(
        {"image": [picture]}, plain(input_of(channels, 28)).sample(np.array([0]), 0, 0), CPU
    )
    wanted = (reference.centred(picture / 255, 28) - np.array(input_of(channels, 28)["mean"])) / 0.25
    np.testing.assert_allclose(batch["image"][0].permute(1, 2, 0).numpy(), wanted, atol=1e-4)


def test_plain_at_the_same_size_is_the_picture_itself_and_denormalises_to_its_bytes():
    pictures = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 3), np.uint8)
    views = plain(input_of(3, 28))
    for epoch in (0, 5):
        batch = views.apply({"image": pictures}, views.sample(np.arange(9), epoch, epoch), CPU)
        np.testing.assert_array_equal(denormalise(batch["image"], views.input), pictures)


def test_an_array_a_memory_map_and_a_list_are_the_same(tmp_path):
    pictures = np.stack(images([(20, 24)] * 6, 3))
    np.save(tmp_path / "pictures.npy", pictures)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    views = ImageViews(input_of(3, 16), image=ALL)
    _, fused, batched = both(views, pictures)
    for same in (mapped, list(pictures), list(pictures[:, ::-1].copy()[:, ::-1])):
        _, other, other_batched = both(views, same)
        torch.testing.assert_close(other["image"], fused["image"], rtol=0, atol=0)
        torch.testing.assert_close(other_batched["image"], batched["image"], rtol=0, atol=1e-6)


def test_any_split_of_a_batch_gives_the_same_bytes(monkeypatch):
    pictures = images([(int(h), int(w)) for h, w in np.random.default_rng(1).integers(1, 50, (12, 2))], 3)
    views = ImageViews(input_of(3, 20), a=ALL, b=[ALL, Augment(size=7)])
    index = np.arange(100, 112)
    whole = views.apply({"image": pictures}, views.sample(index, 3, 4), CPU)
    parts = [
        views.apply({"image": pictures[s]}, views.sample(index[s], 3, 4), CPU) for s in (slice(0, 5), slice(5, 12))
    ]
    assert torch.equal(whole["a"], torch.cat([part["a"] for part in parts]))
    assert torch.equal(whole["b"][0], torch.cat([part["b"][0] for part in parts]))
    monkeypatch.setattr(module, "_CHUNK", 4000)
    chunked = views.apply({"image": pictures}, views.sample(index, 3, 4), CPU)
    assert torch.equal(whole["a"], chunked["a"])
    assert torch.equal(whole["b"][1], chunked["b"][1])


def test_names_lists_sizes_turns_labels_and_index():
    views = ImageViews(input_of(3, 16), query=ALL, key=[Augment(), Augment(size=9, turns=(1, 3))])
    pictures = np.stack(images([(20, 20)] * 5, 3))
    params = views.sample(np.arange(5), 0, 0)
    raw = {"image": pictures, "label": np.array([4, 1, -1, 0, 2]), "index": np.arange(5)}
    for batch in (views.apply(raw, params, CPU), apply_torch(views, raw, params, CPU)):
        assert set(batch) == {"query", "query_turn", "key", "key_turn", "label", "index"}
        assert batch["query"].shape == (5, 3, 16, 16)
        assert [tuple(view.shape) for view in batch["key"]] == [(5, 3, 16, 16), (5, 3, 9, 9)]
        assert batch["query_turn"].tolist() == params["turn"][:, 0].tolist()
        assert [turns.tolist() for turns in batch["key_turn"]] == [params["turn"][:, 2].tolist()]
        assert batch["label"].tolist() == [4, 1, -1, 0, 2]
        assert batch["index"].dtype == torch.int64


def test_four_turns_of_one_crop_are_quarter_turns_of_each_other():
    copies = [
        Augment(crop=(0.3, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5, turns=(turn,), draw=0)
        for turn in range(4)
    ]
    _, fused, batched = both(ImageViews(input_of(3, 15), image=copies), np.stack(images([(20, 23)] * 9, 3)))
    for batch in (fused, batched):
        assert "image_turn" not in batch
        for turn in range(4):
            turned = torch.rot90(batch["image"][0], turn, (2, 3))
            torch.testing.assert_close(batch["image"][turn], turned, rtol=0, atol=1e-5)


def test_grey_images_ignore_colour_and_keep_brightness_and_contrast():
    pictures = np.stack(images([(12, 12)] * 8, 1))
    colourful = ImageViews(input_of(1, 12), image=Augment(jitter=(0, 0, 0.9, 0.5), jitter_p=1.0, grey=1.0))
    _, fused, _ = both(colourful, pictures)
    np.testing.assert_array_equal(denormalise(fused["image"], colourful.input), pictures)
    for jitter in ((0.5, 0, 0, 0), (0, 0.5, 0, 0)):
        _, fused, _ = both(ImageViews(input_of(1, 12), image=Augment(jitter=jitter, jitter_p=1.0)), pictures)
        assert (denormalise(fused["image"], colourful.input) != pictures).mean() > 0.3


def test_threads_may_share_the_kernel():
    pictures = np.stack(images([(32, 32)] * 40, 3))
    views = ImageViews(input_of(3, 24), image=ALL)
    alone = {epoch: both(views, pictures, epoch=epoch)[1]["image"] for epoch in range(6)}
    found: dict[int, torch.Tensor] = {}

    def work(epoch: int) -> None:
        for _ in range(5):
            found[epoch] = views.apply({"image": pictures}, views.sample(np.arange(40), epoch, 0), CPU)["image"]

    threads = [threading.Thread(target=work, args=(epoch,)) for epoch in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for epoch, image in alone.items():
        assert torch.equal(found[epoch], image)


TWO_THREADS = """
import numba, numpy, torch
from selftaught.views.image import Augment, ImageViews

turned = Augment(crop=(0.08, 1.0), jitter=(0.8, 0.8, 0.8, 0.5), jitter_p=0.9, blur=0.5, turns=(0, 1, 2, 3))
views = ImageViews({"kind": "image", "size": 24, "channels": 3, "mean": [0.1] * 3, "std": [0.25] * 3}, image=turned)
raw = {"image": numpy.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), numpy.uint8), "index": numpy.arange(7)}

def made():
    return views.apply(raw, views.sample(raw["index"], 0, 0), torch.device("cpu"))["image"]

assert torch.get_num_threads() == 1
before = made()
assert torch.get_num_threads() == 1, "numba's threads became torch's"
torch.set_num_threads(2)
assert numba.get_num_threads() == 2
assert torch.equal(made(), before)
"""


def test_two_threads_change_nothing_and_stay_numbas_own():
    """In a process of its own: beside others, the tests have one thread each."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {"NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", TWO_THREADS], env=os.environ | threads, check=True)


def test_an_empty_batch_gives_empty_views():
    _, fused, _ = both(ImageViews(input_of(3, 24), image=Augment()), np.zeros((2, 9, 9, 3), np.uint8))
    assert fused["image"].shape == (2, 3, 24, 24)
    views = ImageViews(input_of(3, 24), image=ALL)
    empty = views.apply({"image": np.zeros((0, 9, 9, 3), np.uint8)}, views.sample(np.arange(0), 0, 0), CPU)
    assert empty["image"].shape == (0, 3, 24, 24)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"), ([np.zeros((8, 8, 3), np.int16)], "uint8"),
        (np.zeros((2, 8, 8, 1), np.uint8), "3 channels, not 8 x 8 x 1"),
        (np.zeros((2, 8, 8), np.uint8), "3 channels, not 8 x 8"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 4), np.uint8)], "not 9 x 8 x 4"),
        ([np.zeros((0, 8, 3), np.uint8)], "not 0 x 8 x 3"),
    ],
)  # fmt: skip
def test_pictures_that_the_encoder_cannot_take(wrong, says):
    views = plain(input_of(3, 8))
    params = views.sample(np.arange(len(wrong)), 0, 0)
    for apply in (views.apply, lambda *a: apply_torch(views, *a)):
        with pytest.raises(UserError, match=says):
            apply({"image": wrong}, params, CPU)


def test_views_of_something_else_are_refused():
    with pytest.raises(UserError, match="image"):
        plain({"kind": "text", "size": 3, "channels": 1, "mean": [0], "std": [1]})


def test_one_compiled_kernel_serves_all():
    both(ImageViews(input_of(3, 24), image=ALL), images([(8, 9)], 3))
    both(ImageViews(input_of(13, 8), image=ALL), np.stack(images([(8, 9)] * 2, 13)))
    assert len(kernel.views.signatures) == 1


@pytest.mark.gpu
def test_a_gpu_agrees():
    device = torch.device("cuda")
    views = ImageViews(input_of(3, 64), image=ALL)
    pictures = images([(70, 80), (20, 30), (64, 64)] * 4, 3)
    params, fused, _ = both(views, pictures)
    found = views.apply({"image": pictures}, params, device)
    assert found["image"].is_cuda
    np.testing.assert_allclose(found["image"].cpu().numpy(), fused["image"].numpy(), atol=1e-4)


def test_many_channels_leave_out_what_needs_colours(caplog):
    """Saturation, hue and greyscale change nothing in images of 13 channels, and a line says so."""
    module._say_colourless.cache_clear()
    seen = {"kind": "image", "size": 8, "channels": 13, "mean": [0.0] * 13, "std": [1.0] * 13}
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 13), dtype=np.uint8)
    batch = {"image": pixels, "index": np.arange(4)}
    with caplog.at_level("WARNING", "selftaught.views"):
        views = ImageViews(seen, view=Augment(jitter=(0, 0, 0.9, 0.5), jitter_p=1.0, grey=1.0))
        ImageViews(seen, view=Augment(grey=1.0))
    [record] = caplog.records
    assert record.getMessage().startswith("images of 13 channels: random views leave out saturation, hue and greyscale")
    found = views.apply(batch, views.sample(batch["index"], 0, 0), torch.device("cpu"))["view"]
    np.testing.assert_allclose(found.numpy(), pixels.transpose(0, 3, 1, 2) / 255, atol=1e-6)
