"""A Hugging Face folder: config.json, model.safetensors and the tokenizer of a run with a transformer.

`transformers.AutoModel.from_pretrained` opens it, and with the heads of gpt and bert AutoModelForCausalLM,
AutoModelForMaskedLM and AutoModelForPreTraining. `encoders/hf_text` has the names, `tokenizer_json` the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from selftaught.encoders import hf_text
from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.export import tokenizer_json
from selftaught.export.folder import Files
from selftaught.method import Encoder
from selftaught.parts.symbols import OTHER
from selftaught.parts.tokens import model_of

PAD = "[PAD]"
BOTH = {"unk_token": "[UNK]", "sep_token": "[SEP]", "cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": PAD}
"""The marks of an encoder that looks both ways, by their names there, in the order of `parts.symbols`, and padding."""
CAUSAL = {"unk_token": "<unk>", "eos_token": "</s>", "bos_token": "<s>"}
"""The marks of a causal one. Padding is done with the end, whose place does not matter."""
ARCHITECTURES = {"gpt2": "GPT2", "bert": "Bert", "megatron-bert": "MegatronBert"}


def transformer_of(encoder: Encoder, where: str) -> Transformer:
    """Return the encoder. Raises UserError if it is of another architecture."""
    if not isinstance(encoder, Transformer):
        raise UserError(
            f"{where} has the encoder {encoder.spec['name']}, which Hugging Face does not know: runs with a "
            "transformer or causal_transformer (gpt, bert, simcse) can be written"
        )
    return encoder


def check(encoder: Encoder, where: str) -> None:
    """Raises UserError if the encoder of the run `where` cannot be written. Call it before the work."""
    _symbols(transformer_of(encoder, where))
    hf_text.model_type(transformer_of(encoder, where))


def files(encoder: Encoder, heads: Mapping[str, Tensor] | None = None, where: str = "this run") -> Files:
    """Return the files of the folder.

    Args:
        encoder: A transformer.
        heads: The state of the method around it, of which known heads are written: those of bert; and of a causal one
            its own table, which predicts the next symbol. None writes the encoder alone.
        where: The run, for messages.

    Raises UserError if the formats cannot hold what the encoder is.
    """
    body = transformer_of(encoder, where)
    marks, given = dict(CAUSAL if body.causal else BOTH), _symbols(body)
    marks = dict(zip(marks, given.marks, strict=True))
    numbers = given.numbers
    size = len(body.token.weight)
    rows = torch.tensor([*range(size), *[-1] * (len(given.words) + len(given.marks) - size)])
    rows = torch.cat([rows, torch.full((len(given.rare),), len(given.words) + OTHER)])
    config = hf_text.config(body, len(numbers))
    tensors = hf_text.theirs(body, {} if heads is None else heads, rows)
    config["architectures"] = [_architecture(config["model_type"], tensors, heads is not None)]
    if body.causal:
        marks["pad_token"] = marks["eos_token"]
        config |= {"bos_token_id": numbers[marks["bos_token"]], "eos_token_id": numbers[marks["eos_token"]]}
        template = f"{marks['bos_token']} $A", f"{marks['bos_token']} $A {marks['eos_token']} $B"
    else:
        start, end = marks["cls_token"], marks["sep_token"]
        template = f"{start} $A {end}", f"{start} $A {end} $B {end}"
    config["pad_token_id"] = numbers[marks["pad_token"]]
    seen = body.spec["input"]
    own: dict[str, Any] = {"lower": seen["lower"], "form": seen.get("form", "nfc"), "pool": body.pool}
    model = model_of(seen["tokens"])
    if model is None:
        own["tokens"] = seen["tokens"]
    else:
        own |= {"rare": list(given.rare), "normalizer": json.loads(model)["normalizer"]}
    config["selftaught"] = own
    inputs = ["input_ids", "attention_mask"] if body.causal else ["input_ids", "token_type_ids", "attention_mask"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": body.context, "model_input_names": inputs,
        "clean_up_tokenization_spaces": False, **marks,
    }  # fmt: skip
    return {
        "config.json": _json(config),
        "model.safetensors": safetensors.torch.save(tensors, {"format": "pt"}),
        "tokenizer.json": _json(tokenizer_json.tokenizer(seen, given, template)),
        "tokenizer_config.json": _json(settings),
    }


def _symbols(body: Transformer) -> tokenizer_json.Symbols:
    marks = CAUSAL if body.causal else BOTH
    return tokenizer_json.symbols(body.spec["input"], body.words, list(marks.values()))


def _architecture(kind: str, tensors: Mapping[str, Tensor], whole: bool) -> str:
    """Return the name of their class that has just these heads."""
    name = ARCHITECTURES[kind]
    if kind == "gpt2":
        return f"{name}{'LMHeadModel' if whole else 'Model'}"
    if not any(key.startswith("cls.predictions.") for key in tensors):
        return f"{name}Model"
    return f"{name}For{'PreTraining' if 'cls.seq_relationship.weight' in tensors else 'MaskedLM'}"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
