"""Evaluation of language models: probabilities of sentences, perplexity on held-out text, and cloze tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.method import PseudoScores, Scores, ScoresCorpus
from selftaught.parts.tokens import called
from selftaught.parts.vocabulary import renumbering

PORTION = 1 << 20
"""Number of tokens of a corpus that are scored at a time."""


@final
@dataclass(frozen=True)
class Scored:
    """A sentence and its probabilities under a model."""

    text: str
    tokens: tuple[tuple[str, float], ...]
    """Each token with log P given the earlier ones, the end mark last; or, without an end mark, given all others."""
    unknown: tuple[str, ...]
    """The tokens that the model does not know."""

    @property
    def log_probability(self) -> float:
        """log P of the whole sentence including its end, or its pseudo-log-likelihood: the sum over its tokens."""
        return math.fsum(p for _, p in self.tokens)

    @property
    def per_token(self) -> float:
        """log P divided by the number of tokens, the end too, to compare sentences of different lengths."""
        return self.log_probability / len(self.tokens)


def ranked(model: Scores | PseudoScores, texts: Sequence[str], per_token: bool = False) -> list[Scored]:
    """Return the sentences sorted by probability (or by probability per token), the most probable first.

    Equal ones keep their order. A model that looks both ways gives pseudo-log-likelihoods: sums of log P of each token
    given all others, to compare sentences by.

    Raises UserError if a text has no tokens.
    """
    found = []
    for text in texts:
        tokens = tuple(model.score(text) if isinstance(model, Scores) else model.pseudo_score(text))
        if len(tokens) < (2 if isinstance(model, Scores) else 1):
            raise UserError(f"'{text}' has no words: give sentences to score")
        found.append(Scored(text, tokens, tuple(model.unknown(text))))
    return sorted(found, key=lambda s: -(s.per_token if per_token else s.log_probability))


def perplexity(model: Scores, corpus: Corpus) -> dict[str, Any]:
    """Return exp of the mean of -log P over all tokens and sentence ends of a held-out corpus, and its counts.

    "perplexity"; "perplexity_known", over the tokens that the model knows, and the ends; "tokens", including ends;
    "sentences"; "unknown", the share of tokens that the model does not know, which count as one word, and
    "unknown_tokens", their number. Compare models only if they know the same words.

    Raises UserError if the corpus was split differently from the model's text.
    """
    if isinstance(model, ScoresCorpus):
        encoder: Any = model.encoder  # type: ignore[attr-defined]
        seen = encoder.spec["input"]
        theirs = corpus.split
        ours = {key: seen.get(key, "nfc") for key in theirs}
        if ours != theirs:
            told = (f"{called(how['tokens'])} (lower: {how['lower']}, form: {how['form']})" for how in (ours, theirs))
            raise UserError(
                "the model reads text as {} and this corpus was split into {}: open it with the options of the "
                "model".format(*told)
            )
        table, known = renumbering(corpus.words, encoder.index), len(encoder.words)
        total, apart, unknown = 0.0, 0.0, 0  # apart: of unknown tokens
        borders = np.searchsorted(corpus.sentences, np.arange(0, len(corpus.ids), PORTION)).tolist()
        for first, last in zip(borders, [*borders[1:], len(corpus.sentences) - 1], strict=True):
            own = corpus.ids[corpus.sentences[first] : corpus.sentences[last]]
            ids = np.minimum(own, known).astype(np.int32) if table is None else table[own]
            sentences = corpus.sentences[first : last + 1] - corpus.sentences[first]
            scores = model.score_ids(ids, sentences)
            total += float(scores.sum())
            strange = np.flatnonzero(ids == known)
            # one end is after each sentence
            apart += float(scores[strange + np.searchsorted(sentences, strange, side="right") - 1].sum())
            unknown += len(strange)
        tokens = len(corpus.ids) + len(corpus.sentences) - 1
    else:
        lines = [line for document in range(len(corpus)) for line in corpus.text(document).split("\n")]
        strangers = [(set(model.unknown(line)), model.score(line)) for line in lines]
        total = math.fsum(p for _, found in strangers for _, p in found)
        tokens = sum(len(found) for _, found in strangers)
        strange_ = [p for strange_words, found in strangers for token, p in found[:-1] if token in strange_words]
        apart, unknown = math.fsum(strange_), len(strange_)
    return {
        "perplexity": math.exp(-total / tokens),
        "perplexity_known": math.exp(-(total - apart) / (tokens - unknown)),
        "tokens": tokens,
        "sentences": len(corpus.sentences) - 1,
        "unknown": unknown / tokens,
        "unknown_tokens": unknown,
    }


def cloze(model: Scores, corpus: Corpus, blanks: int = 200, choices: int = 10, seed: int = 0) -> dict[str, Any]:
    """Test whether the model finds the word that is missing in a sentence, by the probability of the whole sentence.

    The other words to choose from are drawn by their frequency.

    Args:
        model: The model to test.
        corpus: Held-out text.
        blanks: Number of sentences, drawn without repetition; fewer if the corpus has fewer of at least two tokens.
        choices: Number of words to choose from, including the right one; at least 2.
        seed: Seed of the draws.

    Returns "accuracy" (a tie counts as wrong), "chance" = 1 / choices, and "blanks". Raises UserError if there are no
    two different words, or no suitable sentence.
    """
    lengths = np.diff(corpus.sentences)
    if choices < 2 or len(corpus.words) < 2 or not (lengths > 1).any():
        raise UserError("a cloze test needs two choices, two different words and a sentence of two: give more text")
    rng = np.random.default_rng(seed)
    there = np.flatnonzero(lengths > 1)
    drawn = rng.choice(there, min(blanks, len(there)), replace=False)
    share, right = corpus.counts / corpus.counts.sum(), 0
    gap = "" if corpus.tokens == "characters" else " "
    for s in drawn:
        words = [corpus.words[int(i)] for i in corpus.ids[corpus.sentences[s] : corpus.sentences[s + 1]]]
        place = int(rng.integers(len(words)))
        others = [corpus.words[int(i)] for i in rng.choice(len(share), choices - 1, p=share)]
        taken = words[place]
        found = []
        for word in [taken, *(other for other in others if other != taken)]:
            words[place] = word
            found.append(math.fsum(p for _, p in model.score(gap.join(words))))
        right += all(found[0] > other for other in found[1:])
    return {"accuracy": right / len(drawn), "chance": 1 / choices, "blanks": len(drawn)}
