"""Questions that only some runs can answer: the nearest words, analogies, the probability of a sentence.

A run can answer when its encoder or its method obeys a protocol: `Worded` (a vector for each word; word2vec, fasttext,
glove, nnlm), `Scores` (a probability for each sentence; ngram, nnlm, elmo, gpt), `PseudoScores` (one for each token
given the others; bert) or `Generates` (text; ngram, gpt). Every function raises UserError, one sentence, when it does
not.

>>> import selftaught
>>> from selftaught import ask
>>> texts = ["red paint covers walls", "blue paint covers walls", "cats chase mice", "dogs chase mice"] * 500
>>> options = {"dim": 8, "min_count": 1, "sample": 0, "threads": 1}
>>> run = selftaught.pretrain("word2vec", texts, out="words", epochs=20, progress=False, **options)
>>> [word for word, cosine in ask.neighbours(run, "cats", 1)]
['dogs']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kind import Split
from selftaught.method import Method, PseudoScores, Scores, Source

if TYPE_CHECKING:
    from selftaught.evaluate.language import Scored
    from selftaught.evaluate.predict import Said
    from selftaught.evaluate.tuning import Predicted
    from selftaught.export.reading import Errors
    from selftaught.parts.fasttext_model import Model
    from selftaught.parts.word_vectors import WordVectors
    from selftaught.pretraining.result import Run


def vectors(run: Run | str | Path, errors: Errors = "strict") -> WordVectors:
    """The words and their vectors, of a run, of an encoder.safetensors or of a file that any tool wrote.

    `errors` says what to do with words of a file that are not UTF-8, "strict" or "replace".
    """
    from selftaught.evaluate.words import vectors_of
    from selftaught.pretraining.weights import word_vectors

    return word_vectors(run, errors) if isinstance(run, str | Path) else vectors_of(run.encoder)


def fasttext_model(run: Run | str | Path, limit: int | None = None, errors: Errors = "strict") -> Model:
    """What `export --format bin` writes: a complete model of the fastText tool.

    A run of a method that is the tool's own (fasttext, fasttext_classifier) gives all of it; other word vectors give a
    model without n-grams and with output vectors of zeros.

    Args:
        run: A run, an encoder.safetensors or a file of word vectors.
        limit: Only the N most frequent words.
        errors: See `vectors`.
    """
    from selftaught.parts.fasttext_model import Convertible, of_words
    from selftaught.pretraining.build import type_of
    from selftaught.pretraining.weights import subword_rows

    if not isinstance(run, str | Path) or Path(run).is_dir():
        loaded = _run(run)
        if issubclass(type_of(loaded.config), Convertible):
            if limit is not None:
                raise UserError("--limit cannot be used with --format bin: a complete model has all words")
            method = loaded.learned()
            assert isinstance(method, Convertible)
            return method.fasttext_model(loaded.classes)
    whole = vectors(run, errors)
    rows = subword_rows(run if isinstance(run, str | Path) else run.path, errors)
    size = limit or len(whole)
    return of_words(whole.first(size), None if rows is None else rows.first(size))


def neighbours(run: Run | str | Path, word: str, k: int = 10) -> list[tuple[str, float]]:
    """The k nearest words of `word`, each with its cosine.

    Raises UserError, with near spellings, for a word without a vector.
    """
    from selftaught.evaluate.words import nearest

    return nearest(vectors(run), word, k)


def analogy(
    run: Run | str | Path,
    a: str,
    b: str,
    c: str,
    k: int = 10,
    *,
    method: Literal["add", "mul"] = "add",
    errors: Errors = "strict",
) -> list[tuple[str, float]]:
    """The k best words for a : b :: c : ?, each with its score, see `evaluate.words.answers`.

    Raises UserError as `neighbours`.
    """
    from selftaught.evaluate.words import answers

    return answers(vectors(run, errors), a, b, c, k, method=method)


def score(run: Run | str | Path, texts: Sequence[str], *, per_token: bool = False) -> list[Scored]:
    """The log-probability of sentences by a language model, the most probable first; see `evaluate.language.Scored`.

    By one that looks both ways (bert) it is the pseudo-log-likelihood: the sum over the tokens, each given all others.

    Needs the run folder alone, not the text that was learned from. Raises UserError for no sentence, and for one
    without a word.
    """
    from selftaught.evaluate.language import ranked

    if not texts:
        path = run if isinstance(run, str | Path) else run.path
        raise UserError(f"no sentence is given: 'selftaught score {path} \"a sentence\"'")
    return ranked(_scoring(run), texts, per_token)


def generate(
    run: Run | str | Path,
    prompt: str = "",
    length: int = 100,
    *,
    n: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[Iterator[str]]:
    """What a language model writes after `prompt`: `n` samples, each piece by piece.

    A run that was fine-tuned for seq2seq writes what belongs to `prompt`, such as its translation; see `rewrites`.

    >>> import selftaught
    >>> from selftaught import ask
    >>> run = selftaught.pretrain("ngram", ["the cat sat on the mat", "a cat sat"] * 9, out="cats", progress=False)
    >>> [text] = ask.generate(run, "the cat", 1, temperature=0.0)
    >>> "".join(text)
    ' sat'

    Args:
        run: A run of a language model.
        prompt: A text to go on from; none starts a new one. For seq2seq the source.
        length: Number of tokens, at most.
        n: Number of samples, with the seeds `seed`, `seed` + 1, ...
        temperature: Below 1 prefers probable tokens; 0 takes the most probable one.
        top_k: Draw from this number of most probable tokens; 0 = from all.
        top_p: Draw from the fewest most probable tokens with this probability together.
        seed: Seed of the draws.

    Raises UserError for a run of another method, for a prompt of which no token is known, and for numbers out of range.
    """
    from selftaught import methods
    from selftaught.method import Generates, Rewrites
    from selftaught.parts.sampling import check
    from selftaught.parts.tokens import tokenise_as
    from selftaught.pretraining.build import type_of
    from selftaught.pretraining.tuned import task_of

    run = _run(run)
    tuned = task_of(run.folder) is not None
    if tuned and not rewrites(run):
        raise UserError(f"{run.path} was fine-tuned for a task that writes no text: 'selftaught predict' asks it")
    if not tuned and not issubclass(type_of(run.config), Generates):
        able = [name for name in methods.names() if issubclass(methods.load(name), Generates)]
        raise UserError(f"{run.config.method} writes no text: generate with a run of {' or '.join(able)}")
    if length < 0 or n < 1:
        raise UserError(f"length must be at least 0 and n at least 1, not {length} and {n}")
    check(temperature, top_k, top_p)
    model = run.learned() if tuned else run.model()
    assert isinstance(model, Generates | Rewrites)
    if tuned and not prompt.strip():
        raise UserError(f"no text is given: 'selftaught generate {run.path} \"a text\"' writes what belongs to it")
    strange = model.unknown(prompt)
    if strange and len(strange) == len(tokenise_as(run.encoder.spec["input"], prompt)):
        raise UserError(f"the model knows no token of the prompt '{prompt}': use words of its text, or no prompt")
    write = model.rewrite if isinstance(model, Rewrites) else model.generate
    return [write(prompt, length, seed + i, temperature, top_k, top_p) for i in range(n)]


def rewrites(run: Run | str | Path) -> bool:
    """Whether `generate` writes a text for the prompt, and not what follows it: whether it was tuned for seq2seq."""
    from selftaught.method import Rewrites
    from selftaught.pretraining.tuned import task_of

    run = _run(run)
    return task_of(run.folder) is not None and isinstance(run.learned(), Rewrites)


def perplexity(run: Run | str | Path, data: Any, *, split: Split = "all", **options: Any) -> dict[str, Any]:
    """How well a language model predicts text: a file, a data set or anything that `pretrain` takes.

    The text is split as the model's was; `options` say how it is read, as in `pretrain`: `column`, `errors`. See
    `evaluate.language.perplexity` for what is returned, and the errors; "skipped" is the number of lines, records and
    files that could not be read.
    """
    from selftaught.evaluate import language
    from selftaught.kind import find

    model: Any = language_model(run)
    seen = model.encoder.spec["input"] if hasattr(model, "encoder") else model.input
    corpus: Any = find(seen["kind"]).reading(seen, options).open(data, split)
    return language.perplexity(model, corpus) | {"skipped": len(corpus.skipped)}


def language_model(run: Run | str | Path) -> Scores:
    """The method of a run that gives sentences a probability, in eval mode, or the model in an ARPA file."""
    model = _scoring(run)
    if not isinstance(model, Scores):
        raise UserError(
            f"{run} looks both ways: it says how well each word fits the others ('selftaught score'), which is no "
            "probability of a text, so there is no perplexity: use a run of gpt"
        )
    return model


def _scoring(run: Run | str | Path) -> Scores | PseudoScores:
    """The method of a run that scores sentences, in eval mode, or the model in an ARPA file."""
    from selftaught import methods
    from selftaught.export import arpa
    from selftaught.pretraining.build import type_of

    if isinstance(run, str | Path) and Path(run).is_file() and Path(run).suffix != ".safetensors":
        return arpa.read(Path(run))
    run = _run(run)
    config = run.config
    if not issubclass(type_of(config), Scores | PseudoScores):
        able = [name for name in methods.names() if issubclass(methods.load(name), Scores | PseudoScores)]
        raise UserError(f"{config.method} gives sentences no probability: score a run of {' or '.join(able)}")
    model = run.model()
    assert isinstance(model, Scores | PseudoScores)
    return model


@final
class Asked:
    """The samples of a data set, each with its most probable classes; iterating over it computes them.

    Attributes:
        samples: What the samples are called.
        most: The number of classes.
        judged: So far, the samples of which the data say what they are.
        right: So far, those of them whose most probable class is what they are.
    """

    def __init__(self, source: Source, said: Iterator[Said], most: int) -> None:
        self.source, self.samples, self.most = source, source.samples, most
        self.judged = self.right = 0
        self._said = said

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[tuple[str, Said]]:
        """Yield the name of each sample, and its classes with their probabilities."""
        truths = self._truths()
        for row, said in enumerate(self._said):
            if truths[row]:
                self.judged += 1
                self.right += bool(said) and said[0][0] in truths[row]
            yield self.source.names(np.array([row]))[0], said

    def _truths(self) -> Sequence[tuple[str, ...]]:
        given: Sequence[tuple[str, ...]] | None = getattr(self.source, "truths", None)
        if given is not None:
            return given
        names = self.source.classes
        return [(names[label],) if 0 <= label < len(names) else () for label in self.source.labels.tolist()]


def predict(run: Run | str | Path, data: Any, *, k: int = 1, threshold: float = 0.0, **options: Any) -> Asked:
    """The most probable classes of samples, by the classifier that a run learned; see `evaluate.predict`.

    >>> import selftaught
    >>> from selftaught import ask
    >>> texts = [{"text": "good fine film", "label": "good"}, {"text": "bad poor film", "label": "bad"}] * 100
    >>> run = selftaught.pretrain("fasttext_classifier", texts, out="classes", lr=1.0, threads=1, progress=False)
    >>> [[label for label, probability in said] for name, said in ask.predict(run, ["a fine one", "a poor one"])]
    [['good'], ['bad']]

    Args:
        run: A run of a method with a classifier.
        data: What `pretrain` takes, or for texts a file with one a line (or "-" for standard input).
        k: Number of classes for each sample.
        threshold: Only classes with at least this probability.
        **options: How data are read, as in `pretrain`: `column`, `errors`.

    Raises UserError for a run without a classifier, and for data that cannot be read.
    """
    from selftaught import methods
    from selftaught.evaluate.predict import predict as said
    from selftaught.method import Classifies
    from selftaught.pretraining.build import type_of
    from selftaught.pretraining.tuned import task_of

    run = _run(run)
    if not issubclass(type_of(run.config), Classifies):
        able = [name for name in methods.names() if issubclass(methods.load(name), Classifies)]
        raise UserError(f"{run.config.method} learns no classes: predict with a run of {' or '.join(able)}")
    tuned = run.learned() if task_of(run.folder) is not None else None
    if tuned is not None and not isinstance(tuned, Classifies):
        raise UserError(
            f"{run.path} was fine-tuned for another task than classes of samples: ask.locate finds boxes, and "
            "ask.predicted asks tasks of text"
        )
    source, method = run.asked(data, **options), tuned or run.learned()
    assert isinstance(method, Classifies)
    return Asked(source, said(method, source, run.classes, k, threshold), len(run.classes) or k)


def predicted(run: Run | str | Path, data: Any, *, k: int = 1, threshold: float = 0.0) -> Predicted | None:
    """What a run that was fine-tuned for a task of text says of samples in the form of that task, labelled or not.

    None for other runs, which `predict` and `locate` ask.

    Args:
        run: A run of `selftaught finetune RUN TASK DATA`.
        data: A file or a folder, as in the fine-tuning.
        k: Number of classes for each sample, for tasks with classes.
        threshold: Only what has at least this probability.

    Raises UserError for data that cannot be read, and for numbers out of range.
    """
    from selftaught.pretraining.tuned import task_of

    run = _run(run)
    if k < 1:
        raise UserError(f"k, the number of classes to name, must be at least 1, not {k}")
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold must be a probability in [0, 1], not {threshold}")
    if not run.path.is_dir() or (task := task_of(run.folder)) is None:
        return None
    if not task.asks:
        return None
    return task.predicted(run.learned(), data, run.classes, k=k, threshold=threshold)


class Located(NamedTuple):
    """An object in a picture: its class, how sure that is, and its box [left, top, right, bottom] in pixels."""

    label: str
    probability: float
    box: tuple[float, float, float, float]


def locates(run: Run | str | Path) -> bool:
    """Whether the run finds objects in pictures: whether it was fine-tuned for detection."""
    run = _run(run)
    if not run.is_run or not run.folder.config.get("finetune"):
        return False
    from selftaught.evaluate.detection.detector import Detector

    return isinstance(run.learned(), Detector)


def locate(run: Run | str | Path, data: Any, *, threshold: float = 0.0) -> Iterator[tuple[str, list[Located]]]:
    """Yield the name of each picture and the objects that a fine-tuned detector finds in it, the surest first.

    Args:
        run: A run that was fine-tuned for detection.
        data: Pictures: what `pretrain` takes.
        threshold: Only objects with at least this probability; below 0.05 there are none.

    Raises UserError for another run, and for data that cannot be read.
    """
    from selftaught.evaluate.detection.detector import Detector
    from selftaught.evaluate.detection.locate import locate as found

    run = _run(run)
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold must be a probability in [0, 1], not {threshold}")
    method = run.learned() if locates(run) else None
    if not isinstance(method, Detector):
        raise UserError(f"{run.path} finds no objects: locate with a run of 'selftaught finetune RUN detection DATA'")
    source, classes = run.asked(data), run.classes
    for row, one in enumerate(found(method, source)):
        parts = zip(one.classes.tolist(), one.scores.tolist(), one.boxes.tolist(), strict=True)
        named = [Located(classes[c] if c < len(classes) else str(c), p, tuple(box)) for c, p, box in parts]
        yield source.names(np.array([row]))[0], [item for item in named if item.probability >= threshold]


def finds_depth(run: Run | str | Path) -> bool:
    """Whether the run finds disparities of pairs of pictures."""
    from selftaught.method import SeesDepth
    from selftaught.pretraining.build import type_of

    run = _run(run)
    return run.is_run and not run.folder.config.get("finetune") and issubclass(type_of(run.config), SeesDepth)


def depth(run: Run | str | Path, data: Any) -> Depths:
    """The disparities that a run finds in the left pictures of pairs, see `evaluate.depth.disparities`.

    Args:
        run: A run of a method that finds disparities: monodepth.
        data: Pairs of pictures: what `pretrain` takes.

    Raises UserError for another run, and for data that cannot be read.
    """
    run = _run(run)
    if not finds_depth(run):
        raise UserError(f"{run.path} finds no disparities: use a run of monodepth")
    return Depths(run.asked(data), run.method())


@final
class Depths:
    """Pairs of pictures with the disparities of their left ones; iterating over it computes them."""

    def __init__(self, source: Source, method: Method) -> None:
        self.source, self.method = source, method
        self._known: list[tuple[int, float]] = []

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield the name of each pair and its disparity in pixels, float32 [H, W]."""
        from selftaught.evaluate.depth import compared, disparities

        self._known = []
        for i, found in enumerate(disparities(self.method, self.source)):
            index = np.array([i])
            if (one := compared(found, self.source.fetch(index))) is not None:
                self._known.append((one[0], one[1]["abs"]))
            yield self.source.names(index)[0], found

    def error(self) -> float | None:
        """The mean error so far, in pixels, where the data say what the disparity is; None where they do not."""
        pixels = sum(count for count, _ in self._known)
        return sum(count * value for count, value in self._known) / pixels if pixels else None


def information(
    run: Run | str | Path,
    data: Any = None,
    *,
    seed: int = 0,
    pairs: int | None = None,
    groups: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """How many bits the features of one view keep about another view, see `evaluate.information`.

    Args:
        run: A run of any kind with random views, or an encoder.safetensors.
        data: The samples, without need of labels; by default those that it was trained on.
        seed: Of the draws, the views and the critics.
        pairs: Number of training pairs, at most all samples.
        groups: Which samples stay on one side of a split, see `data.groups`.
        say: Called with a line at each stage.
    """
    from selftaught.evaluate.information import PAIRS
    from selftaught.evaluate.information import information as estimated
    from selftaught.pretraining.judged import Judged

    loaded = _run(run)
    judged = Judged(loaded, seed, None if groups is None else str(groups))
    train, test = judged.sources(data, (None, None))
    before = judged.untrained(seed)
    return estimated(
        loaded.encoder, train, test, untrained=before, seed=seed, pairs=PAIRS if pairs is None else pairs, say=say
    )


def _run(run: Run | str | Path) -> Run:
    from selftaught.pretraining.result import load

    return load(run) if isinstance(run, str | Path) else run
