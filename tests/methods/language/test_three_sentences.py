"""The classic: a real sentence, the same lightly shuffled, the same fully shuffled; which is the most plausible?"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from training import train

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.method import Method, Scores
from selftaught.methods.language.ngram import NGram
from selftaught.methods.language.nnlm import NNLM
from selftaught.parts.tokens import Tokens, tokenise

HERE = Path(__file__).parent
TEXTS: dict[str, tuple[Tokens, int, dict[str, float]]] = {
    "addresses.txt": ("words", 2, {"steps": 100}),
    "analects.txt": ("characters", 1, {"steps": 120}),
}
"""Addresses of US presidents to Congress, 1961 to 1965 (in the public domain), and the Analects. Every fifth sentence
is held out."""


@cache
def parts(name: str) -> tuple[Corpus, list[str]]:
    lines, tokens = (HERE / name).read_text(encoding="utf-8").splitlines(), TEXTS[name][0]
    held_out = [line for line in lines[4::5] if len(tokenise(line, tokens)) >= 7][:60]
    return Corpus.of(
        ["\n".join(line for i, line in enumerate(lines) if i % 5 != 4)], tokens=tokens, lower=True
    ), held_out


def shuffled(sentence: str, tokens: Tokens, rng: np.random.Generator, lightly: bool) -> str:
    """All tokens in any order; or two neighbours exchanged, once in the first and once in the second half."""
    words = tokenise(sentence, tokens)
    if lightly:
        for low, high in ((0, len(words) // 2), (len(words) // 2, len(words))):
            i = int(rng.integers(low, high - 1))
            words[i], words[i + 1] = words[i + 1], words[i]
        return " ".join(words)
    return " ".join(rng.permutation(words))


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("method", ["ngram", "nnlm"])
def test_a_real_sentence_is_more_plausible_than_the_same_words_shuffled(name: str, method: str, tmp_path: Path) -> None:
    corpus, held_out = parts(name)
    tokens, min_count, length = TEXTS[name]

    def build() -> Method:
        encoder = encoders.build({"ngram": "bag", "nnlm": "lookup"}[method], corpus.input(), min_count=min_count)
        return NGram(encoder) if method == "ngram" else NNLM(encoder, order=3, hidden=32)

    recipe = {"steps": 1} if method == "ngram" else length | {"batch_size": 128, "lr": 5e-3}
    model, _ = train(build, tmp_path / "run", corpus, **recipe)
    model.eval()
    assert isinstance(model, Scores)
    rng = np.random.default_rng(0)

    def log_p(text: str) -> float:
        return sum(p for _, p in model.score(text))

    found = np.array(
        [[log_p(s), log_p(shuffled(s, tokens, rng, True)), log_p(shuffled(s, tokens, rng, False))] for s in held_out]
    )
    real, light, full = found.mean(0)
    assert real > light > full, found.mean(0)
    beaten = (found[:, :1] > found[:, 1:]).mean(0)
    assert beaten[0] > 0.7 and beaten[1] > 0.8, beaten
