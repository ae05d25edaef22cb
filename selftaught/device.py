"""Device, precision, ranks, and the seeds of torch's random numbers."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.distributed as dist

from selftaught.errors import UserError
from selftaught.recipe import Recipe

FOUND: dict[str, tuple[str, Callable[[], int]]] = {
    "cpu": ("CPU", lambda: 1),
    "cuda": ("CUDA GPU", lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0),
    "mps": ("Apple GPU", lambda: int(torch.backends.mps.is_available())),
    "xpu": ("Intel GPU", lambda: torch.xpu.device_count() if torch.xpu.is_available() else 0),
}
"""Types of device: what each is called, and how many of them torch finds."""


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; auto = this rank's GPU, if any. Raises UserError if it does not exist."""
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise UserError(f"unknown device '{name}': use auto, cpu, cuda or cuda:N") from e
    if device.type not in FOUND:
        raise UserError(f"unknown device '{name}': use auto, cpu, cuda or cuda:N")
    what, count = FOUND[device.type][0], FOUND[device.type][1]()
    if count == 0:
        raise UserError(f"device '{name}' is not available, because torch finds no {what}: use --device cpu")
    if (device.index or 0) >= count:
        last = f"{device.type}:{count - 1}"
        raise UserError(f"device '{name}' is not available: the last {what} that torch finds is {last}")
    return device


def join_ranks(device: torch.device) -> None:
    """Join the other processes that torchrun started, once: gloo between CPUs, nccl between GPUs."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def meet(rank: int, world: int, place: str) -> None:
    """Join `world` processes of this machine over gloo, by a new file.

    This process computes with one thread.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=world)


def leave() -> None:
    """Leave the process group."""
    dist.destroy_process_group()


def reseed(*key: int, device: torch.device) -> None:
    """Seed torch's generators from integers alone, so that dropout and noise do not depend on what ran before."""
    digest = hashlib.blake2b(struct.pack(f"<{len(key)}q", *key), digest_size=8).digest()
    seed = int.from_bytes(digest, "little") >> 1
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


def precision(recipe: Recipe, device: torch.device) -> Literal["bfloat16", "float32"]:
    """Return the precision that the recipe's setting selects on this device.

    GPUs with bfloat16 are faster with it. CPUs are faster only if they multiply it in hardware. "auto" uses float32 on
    all CPUs, so that a run does not depend on the CPU; "native" checks the CPU.
    """
    chosen = {"auto": ("cuda",), "native": ("cuda", "cpu"), "bfloat16": (device.type,), "float32": ()}[recipe.precision]
    gains = recipe.precision == "bfloat16" or multiplies_bfloat16(device)
    return "bfloat16" if device.type in chosen and gains else "float32"


def autocast(recipe: Recipe, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Return the context in which a method's `forward` runs."""
    if precision(recipe, device) == "bfloat16":
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
