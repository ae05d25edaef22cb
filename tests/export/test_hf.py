"""Hugging Face folders: the tokenizer's numbers, what transformers' own models give, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import SENTENCES, TEXT

from selftaught import encoders
from selftaught.data.text.opening import open_text
from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.export import folder, hf
from selftaught.method import Method
from selftaught.methods.language.bert import BERT
from selftaught.methods.language.gpt import GPT
from selftaught.parts.tokens import tokenise_as
from selftaught.pretraining.foreign import Foreign

TOKENS = ["words", "bpe:320", "characters", "exact", "whitespace"]
SMALL: dict[str, Any] = {"width": 12, "depth": 2, "heads": 3, "context": 24, "min_count": 2}


def build(tokens: str = "words", causal: bool = False, lower: bool = True, **arguments: Any) -> Transformer:
    torch.manual_seed(0)
    if tokens.startswith("bpe"):
        pytest.importorskip("tokenizers")
    given = open_text([*TEXT, *TEXT], "all", tokens=tokens, lower=lower).input()
    made = encoders.build("causal_transformer" if causal else "transformer", given, **{**SMALL, **arguments})
    assert isinstance(made, Transformer)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def written(path: Path, encoder: Transformer, method: Method | None = None) -> Path:
    path.mkdir(exist_ok=True)
    folder.write(path / "out", hf.files(encoder, None if method is None else method.state_dict()))
    return path / "out"


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("tokens", TOKENS)
def test_the_tokenizer_gives_our_numbers(tmp_path: Path, tokens: str, lower: bool) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    for causal in (False, True):
        encoder = build(tokens, causal, lower)
        there = tokenizers.Tokenizer.from_file(str(written(tmp_path / str(causal), encoder) / "tokenizer.json"))
        other, size = len(encoder.words), len(encoder.token.weight)
        for text in [*SENTENCES, *TEXT]:
            wanted = encoder.numbers(tokenise_as(encoder.spec["input"], text))
            found = there.encode(text).ids
            # pieces that are too rare for a vector have numbers of their own there, and the vector of other words
            assert [other if number >= size else number for number in found] == wanted, text
    pair = there.encode("a cat", "the cat")
    ids = there.encode("a cat").ids, there.encode("the cat").ids
    assert pair.ids == [*ids[0], there.token_to_id("</s>"), *ids[1][1:]]


def test_a_pair_of_texts_is_as_in_training(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    there = tokenizers.Tokenizer.from_file(str(written(tmp_path, build()) / "tokenizer.json"))
    pair = there.encode("the cat", "the dog sat")
    assert (
        pair.tokens == ["[CLS]", "the", "cat", "[SEP]", "the", "[UNK]", "[UNK]", "[SEP]"] or pair.tokens[3] == "[SEP]"
    )
    assert pair.type_ids == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_way_back_gives_the_same_encoder(tmp_path: Path, norm: Any, tokens: str) -> None:
    pytest.importorskip("tokenizers")
    for causal in (False, True) if norm == "pre" else (False,):
        encoder = build(tokens, causal, norm=norm, gelu="tanh", eps=1e-3)
        again = Foreign(written(tmp_path / str(causal), encoder)).encoder()
        for text in SENTENCES:
            own = encoder([tokenise_as(encoder.spec["input"], text)])
            there = again([tokenise_as(again.spec["input"], text)])
            torch.testing.assert_close(there, own, atol=1e-5, rtol=1e-5)


def models(path: Path, *classes: str) -> list[Any]:
    transformers = pytest.importorskip("transformers")
    return [getattr(transformers, name).from_pretrained(path).eval() for name in classes]


@pytest.mark.parametrize(
    "arguments",
    [
        {"norm": "pre"}, {"norm": "post"}, {"positions": "sinusoidal"}, {"positions": "none", "gelu": "tanh"},
        {"norm": "post", "eps": 1e-3},
    ],
)  # fmt: skip
def test_transformers_bert_gives_the_same(tmp_path: Path, arguments: dict[str, Any]) -> None:
    encoder = build(**arguments)
    method = BERT(encoder).eval()
    for parameter in method.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    body, masked, pairs = models(
        written(tmp_path, encoder, method), "AutoModel", "AutoModelForMaskedLM", "AutoModelForPreTraining"
    )
    ids = torch.randint(0, len(encoder.token.weight), (3, 9), generator=torch.Generator().manual_seed(0))
    segment, there = torch.arange(9).expand(3, 9) // 5, torch.ones(3, 9, dtype=torch.bool)
    there[1, 6:] = False
    given = {"input_ids": ids, "token_type_ids": segment, "attention_mask": there.long()}
    with torch.no_grad():
        own = encoder.hidden(ids, None, segment, mask=there)[-1]
        torch.testing.assert_close(body(**given).last_hidden_state[there], own[there], atol=1e-5, rtol=1e-5)
        scores = method.scores(method.transform(own))[there]
        found = masked(**given).logits[there]
        torch.testing.assert_close(found[:, : scores.shape[1]], scores, atol=1e-4, rtol=1e-5)
        assert float(found.softmax(1)[:, scores.shape[1] :].max()) == 0  # padding is never predicted
        assert method.pooler is not None
        follows = method.pooler(own[:, 0]).flip(1)
        torch.testing.assert_close(pairs(**given).seq_relationship_logits, follows, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"positions": "sinusoidal", "gelu": "tanh", "eps": 1e-3}])
def test_transformers_gpt2_gives_the_same(tmp_path: Path, arguments: dict[str, Any]) -> None:
    encoder = build(causal=True, **arguments)
    method = GPT(encoder).eval()
    body, language = models(written(tmp_path, encoder, method), "AutoModel", "AutoModelForCausalLM")
    ids = torch.randint(0, len(encoder.token.weight), (3, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = encoder.hidden(ids)[-1]
        torch.testing.assert_close(body(input_ids=ids).last_hidden_state, own, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(language(input_ids=ids).logits, method.logits(own), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_its_trainer_goes_on_from_what_was_written(tmp_path: Path, causal: bool) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    encoder = build(causal=causal, norm="pre")
    torch.manual_seed(0)
    method: Method = (GPT if causal else BERT)(encoder)
    for module in method.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.1)
    path = written(tmp_path, encoder, method)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model = (transformers.AutoModelForCausalLM if causal else transformers.AutoModelForMaskedLM).from_pretrained(path)
    rows = [tokenizer(text, truncation=True) for text in SENTENCES * 4]
    trainer = transformers.Trainer(
        model,
        transformers.TrainingArguments(
            str(tmp_path / "trained"), max_steps=100, per_device_train_batch_size=8, learning_rate=1e-2, report_to=[],
            use_cpu=True, save_strategy="no", disable_tqdm=True, seed=0,
        ),
        transformers.DataCollatorForLanguageModeling(tokenizer, mlm=not causal, seed=0),
        train_dataset=rows, eval_dataset=rows,
    )  # fmt: skip
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before - 0.3
    trainer.save_model(str(tmp_path / "trained"))
    tokenizer.save_pretrained(tmp_path / "trained")
    again = Foreign(tmp_path / "trained").encoder()
    ids = torch.tensor([encoder.numbers(["the", "cat"])])
    with torch.no_grad():
        body = transformers.AutoModel.from_pretrained(tmp_path / "trained").eval()
        last = again.eval().hidden(ids)[-1]  # type: ignore[operator]
        torch.testing.assert_close(last, body(input_ids=ids).last_hidden_state, atol=1e-5, rtol=1e-5)


def test_transformers_opens_the_tokenizer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    encoder = build()
    there = transformers.AutoTokenizer.from_pretrained(written(tmp_path, encoder))
    found = there(["the cat", "a"], padding=True)
    assert found["input_ids"][0] == encoder.numbers(["the", "cat"])
    assert found["attention_mask"] == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert there.mask_token_id == len(encoder.words) + 3 and there.model_max_length == 24


def test_marks_that_are_words_get_other_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    given = open_text(["[MASK] a [UNK] b [MASK] a [UNK] b"], "all", tokens="whitespace", lower=False).input()
    encoder = encoders.build("transformer", given, **SMALL)
    settings = json.loads(hf.files(encoder)["tokenizer_config.json"])
    assert (settings["mask_token"], settings["unk_token"], settings["sep_token"]) == ("[MASK_]", "[UNK_]", "[SEP]")


def test_what_no_format_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rotary positions, which .* cannot hold"):
        hf.files(build(positions="rotary", width=24))
    with pytest.raises(UserError, match=r"causal with --encoder.norm post"):
        hf.files(build(causal=True, norm="post"))
    seen = open_text(["new york is a new york"] * 9, "all", phrases=(0.1,), phrase_count=0).input()
    with pytest.raises(UserError, match="words with phrases, which a Hugging Face tokenizer cannot join"):
        hf.check(encoders.build("transformer", seen, **SMALL), "RUN")
    with pytest.raises(UserError, match="RUN has the encoder lstm, which Hugging Face does not know"):
        hf.check(encoders.build("lstm", seen, width=8, units=8), "RUN")


def test_a_folder_is_written_whole_and_only_where_nothing_is(tmp_path: Path) -> None:
    folder.write(tmp_path / "new", {"a.txt": b"1", "deep/b.txt": b"2"})
    assert (tmp_path / "new" / "deep" / "b.txt").read_bytes() == b"2"
    with pytest.raises(UserError, match="exists already: choose another --out"):
        folder.write(tmp_path / "new", {"a.txt": b"3"})
    with pytest.raises(UserError, match="there is no folder"):
        folder.check(tmp_path / "nowhere" / "new")
    (tmp_path / "empty").mkdir()
    folder.write(tmp_path / "empty", {"a.txt": b"1"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]
