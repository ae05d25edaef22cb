"""Hugging Face folders as other programs leave them, made without the package transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

TEXT = [
    "The cat isn't on the mat, ΟΔΟΣ στην οδός.\n中文字 русский язык Don’t été naïve אבג \"צה״ל\" 3.14 1990's re-do",
    "another dog sat\non a café カタカナ ひらがな हिन्दी",
]
SENTENCES = [
    "The cat isn't on the mat", "ΟΔΟΣ, ΣΑΣ. Ὀδυσσεύς", "中文字 and 日本語 カタカナ ひらがな", "русский ЯЗЫК йод",
    "e\u0301te\u0301 naïve Don’t don't a_b _c_ x-y 3,14", "हिन्दी عربى 한국어", "\ttabs  and\nlines\u3000end ",
    "צה״ל a\u00adb co\u200dd x\u200c",
]  # fmt: skip
"""Of several scripts, with marks, spaces and characters that are not seen."""


def bert(folder: Path, **settings: Any) -> Path:
    """A BERT of random weights with word pieces, whose marks come first."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.decoder = tokenizers.decoders.WordPiece()
    marks = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=list(marks.values()), show_progress=False
    )
    made.train_from_iterator(TEXT, trainer)
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    config = {
        "model_type": "bert", "vocab_size": made.get_vocab_size(), "hidden_size": 12, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 48, "max_position_embeddings": 24, "type_vocab_size": 2,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12, **settings,
    }  # fmt: skip
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], 12), "embeddings.LayerNorm.weight": (12,),
        "embeddings.token_type_embeddings.weight": (2, 12), "embeddings.position_embeddings.weight": (24, 12),
        "embeddings.LayerNorm.bias": (12,),
    }  # fmt: skip
    for layer in range(2):
        for name, size in {
            "attention.self.query": (12, 12), "attention.self.key": (12, 12), "attention.self.value": (12, 12),
            "attention.output.dense": (12, 12), "attention.output.LayerNorm": (12,), "intermediate.dense": (48, 12),
            "output.dense": (12, 48), "output.LayerNorm": (12,),
        }.items():  # fmt: skip
            shapes |= {f"encoder.layer.{layer}.{name}.weight": size, f"encoder.layer.{layer}.{name}.bias": size[:1]}
    return _written(folder, config, {f"bert.{name}": shape for name, shape in shapes.items()}, made, marks)


def gpt2(folder: Path, **settings: Any) -> Path:
    """A GPT-2 of random weights with byte pairs, whose only mark is between documents."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"], show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(TEXT, trainer)
    config = {
        "model_type": "gpt2", "vocab_size": 300, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 24,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, **settings,
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (300, 12),
        "wpe.weight": (24, 12),
        "ln_f.weight": (12,),
        "ln_f.bias": (12,),
    }
    for layer in range(2):
        for name, (rows, columns) in {
            "attn.c_attn": (12, 36), "attn.c_proj": (12, 12), "mlp.c_fc": (12, 48), "mlp.c_proj": (48, 12)
        }.items():  # fmt: skip
            shapes |= {f"h.{layer}.{name}.weight": (rows, columns), f"h.{layer}.{name}.bias": (columns,)}
        for name in ("ln_1", "ln_2"):
            shapes |= {f"h.{layer}.{name}.weight": (12,), f"h.{layer}.{name}.bias": (12,)}
    marks = dict.fromkeys(("unk_token", "bos_token", "eos_token"), "<|endoftext|>")
    return _written(folder, config, shapes, made, marks)


def _written(
    folder: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]], tokenizer: Any, marks: dict[str, str]
) -> Path:
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=generator) * 0.5 for name, shape in shapes.items()}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **marks}))
    tokenizer.save(str(folder / "tokenizer.json"))
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder
