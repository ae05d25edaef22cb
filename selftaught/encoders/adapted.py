"""What the adapters of other libraries' networks share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm1d, BatchNorm2d

BODY = "body."
"""Where an adapter has the other library's network."""
_operators: list[torch.library.Library] = []


def library(name: str, extra: str) -> Any:
    """Import the package `name` of the extra `extra`. Raises UserError if it is not installed or does not import."""
    _declare_operators()
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"encoders {extra}/NAME need the package {name}: pip install 'selftaught[{extra}]' ({error})"
        ) from error
    except RuntimeError as error:  # torchvision, built for another torch
        raise UserError(
            f"{name} cannot be imported beside torch {torch.__version__}: install the torchvision that belongs to it "
            f"({error})"
        ) from error


def _declare_operators() -> None:
    """Declare the two operators of torchvision without which it does not import beside another build of torch.

    PyPI's torchvision has compiled operators for PyPI's torch. They do not load beside a CPU build, and its Python part
    then fails as it describes two of them. No network of timm or transformers calls them; they stay without a kernel.
    """
    try:
        import_module("torchvision")
    except ImportError:
        return
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _operators:
            return
        operators = torch.library.Library("torchvision", "FRAGMENT")
        _operators.append(operators)  # they live as long as this
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def adapt(encoder: nn.Module) -> None:
    """Give the tensors of ``encoder.body`` their own library's names in files, and its batch norms our groups.

    Batch norms of a class of their own (with an activation inside) stay as they are: they have one group a rank.
    """
    encoder.register_state_dict_post_hook(_without)
    encoder.register_load_state_dict_pre_hook(_with)
    for parent in list(encoder.modules()):
        for name, norm in parent.named_children():
            if type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d):
                assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
                ours = BatchNorm1d if isinstance(norm, nn.BatchNorm1d) else BatchNorm2d
                new = ours(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
                new.load_state_dict(norm.state_dict())
                parent.add_module(name, new)


def _without(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for key in [key for key in state if key.startswith(prefix + BODY)]:
        state[prefix + key.removeprefix(prefix + BODY)] = state.pop(key)


def _with(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    own = [prefix + BODY + name for name in module.get_submodule(BODY[:-1]).state_dict()]
    for key in own:
        plain = prefix + key.removeprefix(prefix + BODY)
        if plain in state:
            state[key] = state.pop(plain)
