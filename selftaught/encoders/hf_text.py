"""Hugging Face's names for the Transformer over text: GPT-2, BERT, and Megatron's BERT, both ways.

::

    gpt2            causal, LayerNorm before attention and MLP
    bert            looks both ways, LayerNorm after them and after the sum of vectors
    megatron-bert   looks both ways, LayerNorm before them

The three have learned positions. Fixed ones (sinusoidal, none) are written as a table of them. No format has rotary
ones. This file converts dictionaries; `export/hf` and `pretraining/foreign` write and read the folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from selftaught.encoders.transformer import Transformer, sinusoids
from selftaught.errors import UserError

Tensors = dict[str, Tensor]

_BERT_HEADS = {
    "transform.0": "cls.predictions.transform.dense", "transform.2": "cls.predictions.transform.LayerNorm",
    "bias": "cls.predictions.bias", "pooler.0": "bert.pooler.dense", "pooler.2": "cls.seq_relationship",
}  # fmt: skip
_BERT = {
    "token": "embeddings.word_embeddings", "segment": "embeddings.token_type_embeddings",
    "position": "embeddings.position_embeddings", "blocks.*.attention.out": "encoder.layer.*.attention.output.dense",
    "blocks.*.mlp.0": "encoder.layer.*.intermediate.dense", "blocks.*.mlp.2": "encoder.layer.*.output.dense",
}  # fmt: skip


@final
@dataclass(frozen=True)
class Format:
    """One of their architectures. In `names`, ours to theirs, a ``*`` is the number of a block."""

    prefix: str
    """Before the names of the body, in files with a head."""
    names: Mapping[str, str]
    qkv: str
    """Their name of the matrix for q, k and v, or with a ``#`` of the three matrices."""
    heads: Mapping[str, str] = field(default_factory=dict)
    turned: bool = False
    """Whether matrices are stored as [in, out]."""


FORMATS = {
    "gpt2": Format(
        "transformer.",
        {
            "token": "wte", "position": "wpe", "norm": "ln_f", "blocks.*.norm1": "h.*.ln_1",
            "blocks.*.norm2": "h.*.ln_2", "blocks.*.attention.out": "h.*.attn.c_proj",
            "blocks.*.mlp.0": "h.*.mlp.c_fc", "blocks.*.mlp.2": "h.*.mlp.c_proj",
        },
        "h.*.attn.c_attn",
        turned=True,
    ),
    "bert": Format(
        "bert.",
        _BERT | {
            "begin": "embeddings.LayerNorm", "blocks.*.norm1": "encoder.layer.*.attention.output.LayerNorm",
            "blocks.*.norm2": "encoder.layer.*.output.LayerNorm",
        },
        "encoder.layer.*.attention.self.#",
        _BERT_HEADS,
    ),
    "megatron-bert": Format(
        "bert.",
        _BERT | {
            "norm": "encoder.ln", "blocks.*.norm1": "encoder.layer.*.attention.ln",
            "blocks.*.norm2": "encoder.layer.*.ln",
        },
        "encoder.layer.*.attention.self.#",
        _BERT_HEADS,
    ),
}  # fmt: skip
PARTS = ("query", "key", "value")
TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
"""Their names for the approximation of the GELU."""


def model_type(encoder: Transformer) -> str:
    """Return the format that holds an encoder. Raises UserError if none does."""
    norm = encoder.spec["norm"]
    if encoder.positions == "rotary":
        raise UserError(
            "the run has rotary positions, which Hugging Face's GPT-2 and BERT cannot hold: train with "
            "--encoder.positions learned"
        )
    if encoder.causal and norm == "post":
        raise UserError(
            "the run is causal with --encoder.norm post, which Hugging Face's GPT-2 cannot hold: train with norm pre"
        )
    return "gpt2" if encoder.causal else "bert" if norm == "post" else "megatron-bert"


def config(encoder: Transformer, size: int) -> dict[str, Any]:
    """Return the settings of their model with `size` symbols. Raises UserError if no format holds the encoder."""
    spec, kind = encoder.spec, model_type(encoder)
    common = {"model_type": kind, "vocab_size": size, "tie_word_embeddings": True, "dtype": "float32"}
    gelu = "gelu" if spec["gelu"] == "exact" else "gelu_new"
    if kind == "gpt2":
        return common | {
            "n_positions": encoder.context, "n_embd": encoder.dim, "n_layer": spec["depth"], "n_head": spec["heads"],
            "activation_function": gelu, "layer_norm_epsilon": spec["eps"], "attn_pdrop": 0.0,
            "resid_pdrop": spec["dropout"], "embd_pdrop": spec["dropout"],
        }  # fmt: skip
    return common | {
        "hidden_size": encoder.dim, "num_hidden_layers": spec["depth"], "num_attention_heads": spec["heads"],
        "intermediate_size": 4 * encoder.dim, "hidden_act": gelu, "layer_norm_eps": spec["eps"],
        "hidden_dropout_prob": spec["dropout"], "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": encoder.context, "type_vocab_size": 2,
    }  # fmt: skip


def arguments(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the arguments of our encoder, with its "name", for the settings of a model of theirs.

    Raises UserError, naming `where`, for another architecture, and for what our encoder does not have.
    """
    kind = config.get("model_type")
    if kind not in FORMATS:
        raise UserError(
            f"{where} holds the architecture {kind}: a run of text can start from {', '.join(FORMATS)}; networks for "
            "images are encoders, hf/FOLDER"
        )
    gpt = kind == "gpt2"
    width = _whole(config, "n_embd" if gpt else "hidden_size", where)
    inner = config.get("n_inner" if gpt else "intermediate_size") or 4 * width
    gelu = config.get("activation_function" if gpt else "hidden_act", "gelu_new" if gpt else "gelu")
    refused = {
        f"an MLP of {inner} units instead of 4 x {width}": inner != 4 * width,
        f"the activation {gelu}": gelu not in ("gelu", *TANH),
        "positions that are not absolute": config.get("position_embedding_type", "absolute") != "absolute",
        f"{config.get('type_vocab_size')} kinds of segments instead of 2": config.get("type_vocab_size", 2) != 2,
        "scaled attention": bool(config.get("scale_attn_by_inverse_layer_idx"))
        or config.get("scale_attn_weights", True) is not True,
        "attention to another text": bool(config.get("add_cross_attention")),
        "a decoder": bool(config.get("is_decoder")),
    }
    for what, so in refused.items():
        if so:
            raise UserError(f"{where} is a {kind} with {what}, which our encoder does not have: use another folder")
    return {
        "name": "causal_transformer" if gpt else "transformer", "width": width,
        "depth": _whole(config, "n_layer" if gpt else "num_hidden_layers", where),
        "heads": _whole(config, "n_head" if gpt else "num_attention_heads", where),
        "context": _whole(config, "n_positions" if gpt else "max_position_embeddings", where),
        "norm": "post" if kind == "bert" else "pre", "positions": "learned",
        "gelu": "exact" if gelu == "gelu" else "tanh",
        "eps": float(config.get("layer_norm_epsilon" if gpt else "layer_norm_eps", 1e-5 if gpt else 1e-12)),
    }  # fmt: skip


def theirs(encoder: Transformer, heads: Mapping[str, Tensor], rows: Tensor) -> Tensors:
    """Return the tensors of their model.

    Args:
        encoder: Ours.
        heads: The state of the method, of which the heads that the format knows are taken.
        rows: int64 [N], for each of their symbols the number of ours whose vector it has, -1 for zeros. Ours come
            first, in order; BERT never predicts the others.

    Raises UserError if no format holds the encoder.
    """
    form, own = FORMATS[model_type(encoder)], dict(encoder.state_dict())
    if encoder.position is None:
        where = torch.arange(encoder.context)
        fixed = encoder.positions == "sinusoidal"
        own["position.weight"] = sinusoids(where, encoder.dim) if fixed else torch.zeros(len(where), encoder.dim)
    known = (rows >= 0)[:, None]
    own["token.weight"] = torch.where(known, own["token.weight"][rows.clamp(min=0)], 0.0)
    found: Tensors = {}
    for name, tensor in own.items():
        path, _, what = name.rpartition(".")
        if path.endswith("attention.qkv"):
            found |= _split(form, path, what, tensor)
        else:
            found[f"{form.prefix}{_matched(path, form.names)}.{what}"] = _turned(form, path, tensor)
    for name, other in form.heads.items():
        for key, tensor in heads.items():
            if key == name:  # the bias of each symbol
                found[other] = torch.cat([tensor, tensor.new_full((len(rows) - len(tensor),), NEVER)])
            elif key.rpartition(".")[0] == name:
                found[f"{other}.{key.rpartition('.')[2]}"] = tensor
    follows = FORMATS["bert"].heads["pooler.2"]  # theirs is 0 if the second text follows
    found |= {key: tensor.flip(0) for key, tensor in found.items() if key.startswith(f"{follows}.")}
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in found.items()}


NEVER = -10_000.0
"""The bias of a symbol that our model does not have."""


def ours(kind: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors of their body by our names, whole tables of symbols included; heads are left out.

    Raises KeyError for a missing matrix of q, k and v.
    """
    form = FORMATS[kind]
    plain = {_modern(name.removeprefix(form.prefix)): tensor for name, tensor in tensors.items()}
    back = {other: name for name, other in form.names.items()}
    found: Tensors = {}
    for name, tensor in plain.items():
        path, _, what = name.rpartition(".")
        pattern, number = _numbered(path)
        if pattern in back:
            path = back[pattern].replace("*", number)
            found[f"{path}.{what}"] = _turned(form, path, tensor)
    blocks = {name.split(".")[1] for name in found if name.startswith("blocks.")}
    for number in blocks:
        other = form.qkv.replace("*", number)
        for what in ("weight", "bias"):
            if "#" in other:
                tensor = torch.cat([plain[f"{other.replace('#', part)}.{what}"] for part in PARTS])
            else:
                tensor = plain[f"{other}.{what}"]
            name = f"blocks.{number}.attention.qkv"
            found[f"{name}.{what}"] = _turned(form, name, tensor)
    return found


def _split(form: Format, path: str, what: str, tensor: Tensor) -> Tensors:
    other = form.prefix + form.qkv.replace("*", path.split(".")[1])
    if "#" not in other:
        return {f"{other}.{what}": _turned(form, path, tensor)}
    return {f"{other.replace('#', part)}.{what}": t for part, t in zip(PARTS, tensor.chunk(3), strict=True)}


def _matched(path: str, names: Mapping[str, str]) -> str:
    pattern, number = _numbered(path)
    return names[pattern].replace("*", number)


def _numbered(path: str) -> tuple[str, str]:
    """Return a path with ``*`` for its first number, and that number."""
    parts = path.split(".")
    place = next((i for i, part in enumerate(parts) if part.isdecimal()), None)
    if place is None:
        return path, ""
    return ".".join([*parts[:place], "*", *parts[place + 1 :]]), parts[place]


def _turned(form: Format, path: str, tensor: Tensor) -> Tensor:
    return tensor.T if form.turned and tensor.ndim == 2 and path.startswith("blocks.") else tensor


def _modern(name: str) -> str:
    """The first releases called the parameters of LayerNorm gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _whole(config: Mapping[str, Any], key: str, where: str) -> int:
    value = config.get(key)
    if type(value) is not int or value < 1:
        raise UserError(f"{where}: config.json does not say {key}: save the model again with save_pretrained")
    return value
