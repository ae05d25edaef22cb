from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import encoders
from selftaught.encoders.vit import resampled
from selftaught.errors import UserError
from selftaught.parts.positions import sincos

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}


def vit(size: int = 12, channels: int = 3, **arguments: Any) -> Any:
    spec = INPUT | {"size": size, "channels": channels}
    return encoders.build("vit", spec, **({"width": 12, "depth": 2, "heads": 3} | arguments)).eval()


def published(
    width: int = 12, depth: int = 2, patch: int = 4, tokens: int = 10, channels: int = 3
) -> dict[str, Tensor]:
    """A ViT's state_dict with timm's names and shapes, and its classifier."""
    generator = torch.Generator().manual_seed(3)
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width), "pos_embed": (1, tokens, width),
        "patch_embed.proj.weight": (width, channels, patch, patch), "patch_embed.proj.bias": (width,),
        "norm.weight": (width,), "norm.bias": (width,), "head.weight": (1000, width), "head.bias": (1000,),
    }  # fmt: skip
    for i in range(depth):
        for name, shape in {
            "norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
            "attn.qkv.weight": (3 * width, width), "attn.qkv.bias": (3 * width,),
            "attn.proj.weight": (width, width), "attn.proj.bias": (width,),
            "mlp.fc1.weight": (4 * width, width), "mlp.fc1.bias": (4 * width,),
            "mlp.fc2.weight": (width, 4 * width), "mlp.fc2.bias": (width,),
        }.items():  # fmt: skip
            shapes[f"blocks.{i}.{name}"] = shape
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def reference(w: dict[str, Tensor], x: Tensor, heads: int, depth: int, patch: int = 4) -> Tensor:
    """All tokens at the end, [B, 1 + P, D]: patches by hand, attention by torch's own module."""
    # [B, P, C * p * p]
    cut = x.unfold(2, patch, patch).unfold(3, patch, patch).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    t = cut @ w["patch_embed.proj.weight"].flatten(1).T + w["patch_embed.proj.bias"]
    t = torch.cat([w["cls_token"].expand(len(x), -1, -1), t], 1) + w["pos_embed"]
    width = t.shape[2]
    for i in range(depth):
        b = {k.removeprefix(f"blocks.{i}."): v for k, v in w.items()}
        attention = nn.MultiheadAttention(width, heads, batch_first=True).eval()
        attention.load_state_dict({
            "in_proj_weight": b["attn.qkv.weight"], "in_proj_bias": b["attn.qkv.bias"],
            "out_proj.weight": b["attn.proj.weight"], "out_proj.bias": b["attn.proj.bias"],
        })  # fmt: skip
        y = F.layer_norm(t, (width,), b["norm1.weight"], b["norm1.bias"], 1e-6)
        t = t + attention(y, y, y, need_weights=False)[0]
        y = F.layer_norm(t, (width,), b["norm2.weight"], b["norm2.bias"], 1e-6)
        t = t + F.gelu(y @ b["mlp.fc1.weight"].T + b["mlp.fc1.bias"]) @ b["mlp.fc2.weight"].T + b["mlp.fc2.bias"]
    return F.layer_norm(t, (width,), w["norm.weight"], w["norm.bias"], 1e-6)


@pytest.mark.parametrize("kind", ["vit.pth", "vit.safetensors"])
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_timms_files_are_loaded_and_mean_what_they_mean_there(tmp_path: Path, kind: str, pool: str) -> None:
    tensors, path = published(), tmp_path / kind
    if kind.endswith("pth"):
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    encoder = vit(pool=pool)
    report = encoders.load_weights(encoder, path)
    assert report.ignored == ("head.bias", "head.weight")
    assert report.missing == report.unexpected == report.adapted == ()
    assert len(report.loaded) == len(tensors) - 2
    x = torch.randn(4, 3, 12, 12)
    with torch.no_grad():
        tokens = reference(tensors, x, heads=3, depth=2)
        expected = tokens[:, 0] if pool == "cls" else tokens[:, 1:].mean(1)
        assert torch.allclose(encoder(x), expected, atol=1e-5)
        assert torch.allclose(encoder.local(x).flatten(2).transpose(1, 2), tokens[:, 1:], atol=1e-5)


def timms() -> Any:
    """timm's own Vision Transformers. Skips without timm, or where its torchvision does not fit torch."""
    try:
        from timm.models import vision_transformer
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {error}")
    return vision_transformer


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_timms_own_network_gives_its_weights_and_has_the_same_features(pool: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = (
        timms()
        .VisionTransformer(
            img_size=12, patch_size=4, embed_dim=12, depth=2, num_heads=3, num_classes=5, global_pool="token"
        )
        .eval()
    )
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3)  # fresh ones have biases of 0
    encoder = vit(pool=pool)
    own = {name: tuple(x.shape) for name, x in encoder.state_dict().items()}
    theirs = {name: tuple(x.shape) for name, x in network.state_dict().items() if not name.startswith("head.")}
    assert own == theirs
    torch.save(network.state_dict(), tmp_path / "timm.pth")
    report = encoders.load_weights(encoder, tmp_path / "timm.pth")
    assert report.ignored == ("head.bias", "head.weight") and report.missing == report.unexpected == ()
    x = torch.randn(4, 3, 12, 12)
    with torch.no_grad():
        tokens = network.forward_features(x)  # [4, 1 + 9, 12]
        expected = tokens[:, 0] if pool == "cls" else tokens[:, 1:].mean(1)
        torch.testing.assert_close(encoder(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["vit_tiny", "vit_small", "vit_base"])
def test_presets_are_timms_own_networks(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(timms(), f"{name}_patch16_224")().state_dict()
        own = encoders.build(name, INPUT | {"size": 224}).state_dict()
    theirs = {key: x.shape for key, x in theirs.items() if not key.startswith("head.")}
    assert {key: x.shape for key, x in own.items()} == theirs


def test_presets_are_timms_sizes() -> None:
    found = {}
    for name in ("vit_tiny", "vit_small", "vit_base"):
        with torch.device("meta"):
            encoder = encoders.build(name, INPUT | {"size": 224})
        assert encoder.patch_embed.proj.weight.shape[2:] == (16, 16)
        found[name] = (
            sum(p.numel() for p in encoder.parameters()),
            encoder.dim,
            len(encoder.blocks),
            encoder.blocks[0].attn.heads,
        )
        assert encoder.spec["name"] == name
    # The classifier of 1000 classes aside, timm's vit_{tiny,small,base}_patch16_224 have 5.7, 22.1 and 86.6 million
    # parameters.
    counts = {name: (count + 1000 * (dim + 1)) / 1e6 for name, (count, dim, _, _) in found.items()}
    assert counts == pytest.approx({"vit_tiny": 5.7, "vit_small": 22.1, "vit_base": 86.6}, abs=0.05)
    assert [f[1:] for f in found.values()] == [(192, 12, 3), (384, 12, 6), (768, 12, 12)]


def test_colour_weights_serve_grey_images_and_other_sizes(tmp_path: Path) -> None:
    path = tmp_path / "vit.pth"
    torch.save(published(), path)
    colour, grey, large = vit(), vit(channels=1), vit(size=20)
    for encoder in (colour, grey, large):
        report = encoders.load_weights(encoder, path)
    assert report.adapted == ("pos_embed",)
    x = torch.randn(2, 1, 12, 12)
    assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-5)
    y = torch.randn(2, 3, 20, 20)
    assert torch.allclose(large(y), colour(y), atol=1e-5)  # resampled at loading, or as it computes


def test_a_missing_block_is_named(tmp_path: Path) -> None:
    torch.save(published(depth=1), tmp_path / "vit.pth")
    with pytest.raises(UserError, match=r"12 tensors missing \(blocks.1.attn.proj.bias"):
        encoders.load_weights(vit(), tmp_path / "vit.pth")


def test_positions_of_another_grid_are_interpolated() -> None:
    # [1, 36, 2]
    smooth = torch.stack(torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")).flatten(1).T[None]
    positions = torch.cat([torch.full((1, 1, 2), 9.0), smooth], 1)
    assert resampled(positions, (6, 6)) is positions
    for grid in ((3, 3), (12, 12), (4, 9)):
        there = resampled(positions, grid)
        assert torch.equal(there[:, 0], positions[:, 0])  # the class token keeps its own
        rows = there[0, 1:, 0].view(grid).mean(1)
        expected = (torch.arange(grid[0]) + 0.5) * 6 / grid[0] - 0.5
        assert torch.allclose(rows[1:-1], expected[1:-1], atol=0.3)  # a ramp stays a ramp, but near the border


@pytest.mark.parametrize("size", [4, 8, 12, 16, 10, 13])
def test_images_of_any_size_give_the_same_width(size: int) -> None:
    encoder, x = vit(), torch.randn(2, 3, size, size)
    side = -(-size // 4)
    assert encoder(x).shape == (2, 12)
    assert [f.shape for f in encoder.layers(x)] == [(2, 12, side, side)] * 2


def test_sides_that_patches_do_not_fill_are_padded_with_the_mean_colour() -> None:
    encoder, x = vit(), torch.randn(2, 3, 10, 10)
    assert torch.equal(encoder(x), encoder(F.pad(x, (0, 2, 0, 2))))
    assert vit(size=10)(x).shape == (2, 12)


def test_dropped_patches_are_not_looked_at() -> None:
    encoder, x = vit(pool="mean"), torch.randn(2, 3, 12, 12)
    keep = torch.tensor([[0, 4, 8], [2, 3, 7]])
    spoiled = x.clone()
    for b in range(2):
        for patch in set(range(9)) - set(keep[b].tolist()):
            spoiled[b, :, 4 * (patch // 3) : 4 * (patch // 3) + 4, 4 * (patch % 3) : 4 * (patch % 3) + 4] = 7
    seen = encoder.layers(x, keep=keep)
    assert [f.shape for f in seen] == [(2, 12, 3)] * 2
    assert torch.equal(encoder(spoiled, keep=keep), encoder(x, keep=keep))
    assert not torch.allclose(encoder(spoiled), encoder(x), atol=1e-2)
    assert torch.allclose(encoder(x, keep=keep), seen[-1].mean(2), atol=1e-6)
    everything = torch.arange(9).expand(2, -1)
    assert torch.allclose(encoder(x, keep=everything), encoder(x), atol=1e-5)


def test_visible_patches_are_encoded_with_their_own_positions() -> None:
    encoder, x = vit(depth=1), torch.randn(2, 3, 12, 12)
    keep = torch.tensor([[8, 0], [3, 7]])
    seen = encoder.visible(x, keep)
    assert seen.shape == (2, 3, 12)
    assert torch.allclose(seen[:, 0], encoder(x, keep=keep))
    assert torch.equal(seen[:, 1:].transpose(1, 2), encoder.layers(x, keep=keep)[-1])
    swapped = encoder.visible(x, keep.flip(1))
    assert torch.allclose(swapped[:, 1:], seen[:, 1:].flip(1), atol=1e-6)
    with torch.no_grad():
        encoder.pos_embed[:, 1 + 4] += 1  # the middle one, which is not visible
        assert torch.equal(encoder.visible(x, keep), seen)
        encoder.pos_embed[:, 1 + 8] += torch.randn(12)
    moved = encoder.visible(x, keep)
    assert not torch.allclose(moved[0], seen[0], atol=1e-3)
    assert torch.equal(moved[1], seen[1])


def test_positions_may_start_as_sines_and_cosines() -> None:
    encoder = vit(positions="sincos")
    assert torch.equal(encoder.pos_embed[0, 0], torch.zeros(12))
    assert torch.equal(encoder.pos_embed[0, 1:], sincos(12, 3, 3))
    assert encoders.build(**encoder.spec).pos_embed.equal(encoder.pos_embed)
    assert not vit().pos_embed[0, 1:].equal(sincos(12, 3, 3))


def test_layers_are_the_blocks_in_order() -> None:
    encoder, x = vit(depth=3), torch.randn(2, 3, 12, 12)
    before = encoder.layers(x)
    with torch.no_grad():
        encoder.blocks[1].mlp.fc2.bias.add_(torch.randn(12))
    after = encoder.layers(x)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, False]


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="heads that divide width, not 4, 10, 6 and 3"):
        vit(width=10, depth=6)
    with pytest.raises(UserError, match="pool of encoder vit must be cls or mean, not 'flatten'"):
        vit(pool="flatten")
    with pytest.raises(UserError, match="positions of encoder vit must be random or sincos, not 'learned'"):
        vit(positions="learned")
    with pytest.raises(UserError, match="at least 1"):
        vit(depth=0)
    with pytest.raises(UserError, match="unknown argument of encoder vit_tiny 'depth'"):
        encoders.build("vit_tiny", INPUT, depth=3)
