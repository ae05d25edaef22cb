"""Find an encoder's tensors in a checkpoint of another tool, under whatever names they have there.

Nothing is known of single tools. A checkpoint may hold several dictionaries of tensors (``state_dict``, ``teacher``),
and one dictionary several networks (``module.encoder_q.``, ``momentum_encoder.``). The one whose names and shapes agree
best with the encoder is taken; of equal ones, that which its authors evaluate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from selftaught.encoders.pickled import Inert, Stored

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Parts of names that DataParallel, torch.compile and the like add."""
PREFERRED = ("teacher", "state_dict_ema", "model_ema")
AVERAGED = ("momentum", "encoder_k", "key_encoder", "target", "slow", "student")
"""Parts of the names of a second copy, which nobody evaluates: the average, or DINO's student."""
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
"""What a ResNet's parts are called in ``nn.Sequential(*resnet.children())``, as Lightly's examples build it."""
DEEP = 4
"""How deep dictionaries are searched."""


@final
@dataclass(frozen=True)
class Found:
    """An encoder's tensors in a checkpoint.

    Attributes:
        where: The dictionary's place in the file and the prefix of the names, such as ``state_dict: encoder_q.``; ""
            for names that are as in the encoder.
        tensors: By the encoder's names. Those that it does not have are among them if they look like a part of it.
        aside: Names of the dictionary that belong to no part of the encoder: heads, other networks, queues.
    """

    where: str
    tensors: dict[str, Any]
    aside: tuple[str, ...]


def find(content: Any, own: Mapping[str, Any]) -> Found | None:
    """Return the tensors for an encoder with the state `own`; None when no name agrees.

    `content` is what `pickled.read` returns, or a dictionary of tensors.
    """
    best: tuple[tuple[int, int], Found] | None = None
    for place, tensors in _dictionaries(content, ()):
        named = {_unwrapped(key): value for key, value in tensors.items()}
        for prefix, renamed in _prefixes(named, own):
            under = {key: value for key, value in renamed.items() if key.startswith(prefix)}
            under = {key.removeprefix(prefix): value for key, value in under.items()}
            agree = sum(key in own and tuple(value.shape) == tuple(own[key].shape) for key, value in under.items())
            rank = (2 * agree + sum(key in own for key in under), _preference((*place, *prefix.split("."))))
            if best is None or rank > best[0]:
                best = rank, _sorted_out(place, prefix, under, renamed, own)
    return None if best is None or not best[1].tensors.keys() & own.keys() else best[1]


def is_state(content: Any) -> bool:
    """Return whether there is any dictionary of tensors in a file."""
    return next(_dictionaries(content, ()), None) is not None


def _dictionaries(content: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(content, Inert) and isinstance(content.state, dict) and "_modules" in content.state:
        yield place, _of_module(content, "")
        return
    if not isinstance(content, Mapping) or len(place) > DEEP:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and hasattr(value, "shape")}
    if tensors:
        yield place, tensors
    for key, value in content.items():
        if isinstance(key, str):
            yield from _dictionaries(value, (*place, key))


def _of_module(module: Inert, prefix: str) -> dict[str, Any]:
    """Return the tensors of a whole module that was saved, by the names of its state_dict."""
    found: dict[str, Any] = {}
    for kind in ("_parameters", "_buffers"):
        found |= {f"{prefix}{k}": v for k, v in (module.state.get(kind) or {}).items() if isinstance(v, Stored)}
    for name, child in (module.state.get("_modules") or {}).items():
        if isinstance(child, Inert) and isinstance(child.state, dict) and prefix.count(".") < 32:
            found |= _of_module(child, f"{prefix}{name}.")
    return found


def _unwrapped(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in WRAPPERS)


def _prefixes(named: dict[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the prefixes under which the encoder may be, each with the dictionary, renamed if necessary."""
    anchors = [key for key in own if not key.endswith("num_batches_tracked")][:4]
    seen = {key.removesuffix(a) for a in anchors for key in named if key == a or key.endswith(f".{a}")}
    yield from ((prefix, named) for prefix in sorted(seen, key=lambda prefix: (len(prefix), prefix)))
    if set(CHILDREN.values()) <= {key.partition(".")[0] for key in own}:
        inside = "4.0.conv1.weight"
        for key in named:
            if key == inside or key.endswith(f".{inside}"):
                prefix = key.removesuffix(inside)
                yield prefix, {_child(name, prefix): value for name, value in named.items()}


def _child(name: str, prefix: str) -> str:
    first, dot, rest = name.removeprefix(prefix).partition(".")
    return f"{prefix}{CHILDREN.get(first, first)}{dot}{rest}" if name.startswith(prefix) else name


def _preference(parts: tuple[str, ...]) -> int:
    if any(word in part for part in parts for word in AVERAGED):
        return -1
    return int(any(part in PREFERRED for part in parts))


def _sorted_out(
    place: tuple[str, ...], prefix: str, under: dict[str, Any], all_: dict[str, Any], own: Mapping[str, Any]
) -> Found:
    parts = {key.partition(".")[0] for key in own}
    tensors = {key: value for key, value in under.items() if key.partition(".")[0] in parts}
    aside = tuple(sorted(key for key in all_ if not (key.startswith(prefix) and key.removeprefix(prefix) in tensors)))
    where = ".".join(place)
    return Found(f"{where}: {prefix}" if where and prefix else where or prefix, tensors, aside)
