"""Long values of an encoder's spec as tensors, because the header of a safetensors file is limited to 100 MB.

A vocabulary of a few million words does not fit there. In the JSON of the header each long value is replaced by a
reference, and its content is in tensors beside the weights::

    {"tensor": "spec:input.words"}     strings: uint8, their UTF-8 concatenated, and "spec:input.words:ends", int64
    {"tensor": "spec:input.counts"}    integers: int64
    {"text": "spec:input.tokens.bpe"}  one string: uint8, its UTF-8

Files from before this rule have all values in the header, and are read as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selftaught.parts.texts import joined, parted

LONG = 100
"""Number of strings or integers in a list that stays in the header."""
WIDE = 1 << 12
"""Number of characters of a string that stays in the header."""
MARK = "spec:"
"""Beginning of the names of these tensors. No parameter of a module can have a colon in its name after "spec"."""


def outlined(spec: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the spec with references in place of long values, and the tensors that they refer to."""
    tensors: dict[str, Tensor] = {}
    return {key: _out(value, f"{MARK}{key}", tensors) for key, value in spec.items()}, tensors


def _out(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Mapping):
        return {key: _out(item, f"{name}.{key}", tensors) for key, item in value.items()}
    if isinstance(value, str) and len(value) > WIDE:
        tensors[name] = torch.from_numpy(joined([value])[0])
        return {"text": name}
    if isinstance(value, list | tuple) and len(value) > LONG:
        if all(type(item) is int for item in value):
            tensors[name] = torch.tensor(value, dtype=torch.int64)
            return {"tensor": name}
        if all(isinstance(item, str) for item in value):
            tensors[name], tensors[f"{name}:ends"] = map(torch.from_numpy, joined(value))
            return {"tensor": name}
    return value


def inlined(spec: Mapping[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the spec with its long values; removes their tensors from `tensors`.

    Raises ValueError and KeyError if these are not as `outlined` made them.
    """
    whole = {key: _in(value, tensors) for key, value in spec.items()}
    for name in [name for name in tensors if name.startswith(MARK)]:
        del tensors[name]
    return whole


def _in(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1 and (name := value.get("text", value.get("tensor"))) and str(name).startswith(MARK):
        data = tensors[name].numpy()
        if "text" in value:
            return parted(data, np.array([len(data)]))[0]
        return parted(data, tensors[f"{name}:ends"].numpy()) if data.dtype == np.uint8 else data.tolist()
    return {key: _in(item, tensors) for key, item in value.items()}
