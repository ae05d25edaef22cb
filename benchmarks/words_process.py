"""One training of word vectors in a separate process, for `benchmarks.words`.

    python -m benchmarks.words_process '{"tool": ...}'

The last line of stdout is JSON: "train" and "total" (reading, vocabulary and training together), each as [wall seconds,
CPU seconds], and "memory", the megabytes between the memory after the imports and the peak of resident memory.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.taken import Taken

Task = dict[str, Any]


def gensim(task: Task) -> dict[str, Any]:
    """Train gensim from an iterable of sentences, which is usual, or with its compiled reader.

    "reading" "file" selects the compiled reader of plain files.
    """
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    def fresh() -> Word2Vec:
        return Word2Vec(
            vector_size=task["dim"],
            window=task["window"],
            negative=task["negatives"],
            min_count=task["min_count"],
            sample=task["sample"],
            workers=task["threads"],
            epochs=task["epochs"],
            seed=task["seed"],
            sg=int(task["model"] == "skipgram"),
            alpha=task["lr"],
        )

    if "warm" in task:
        first = fresh()
        first.build_vocab(corpus_iterable=LineSentence(task["warm"]))
        first.train(corpus_iterable=LineSentence(task["warm"]), total_examples=first.corpus_count, epochs=1)
    taken = Taken()
    model = fresh()
    by_file = task["reading"] == "file"
    text = {"corpus_file": task["text"]} if by_file else {"corpus_iterable": LineSentence(task["text"])}
    model.build_vocab(**text)
    read, total_words = taken.now(), model.corpus_total_words if by_file else None
    model.train(**text, total_words=total_words, total_examples=model.corpus_count, epochs=task["epochs"])
    train, total, memory = taken.since(read), taken.since(), taken.memory()
    if "out" in task:
        model.wv.save_word2vec_format(task["out"], binary=True)
    return {"train": train, "total": total, "memory": memory}


def fasttext(task: Task) -> dict[str, Any]:
    """Train fastText. It reads and trains in one call, so the time of a call without epochs is subtracted."""
    import fasttext as tool

    def trained(epochs: int) -> Any:
        return tool.train_unsupervised(
            task["text"],
            model=task["model"],
            dim=task["dim"],
            ws=task["window"],
            neg=task["negatives"],
            minCount=task["min_count"],
            t=task["sample"],
            epoch=epochs,
            thread=task["threads"],
            lr=task["lr"],
            minn=3,
            maxn=6,
            bucket=2_000_000,
            verbose=0,
        )

    before = Taken()
    trained(0)
    reading = before.since()
    taken = Taken()
    model = trained(task["epochs"])
    total, memory = taken.since(), taken.memory()
    if "out" in task:
        import numpy as np

        from selftaught.export import vectors as files
        from selftaught.parts.word_vectors import WordVectors

        words = [word for word in model.get_words() if word != "</s>"]  # its own token for the end of a line
        matrix = np.array([model.get_word_vector(word) for word in words], np.float32)
        files.write(Path(task["out"]), WordVectors(tuple(words), matrix), format="binary")
    return {"train": [t - r for t, r in zip(total, reading, strict=True)], "total": total, "memory": memory}


def counted(path: str) -> int:
    """Return the number of words of a text file."""
    with open(path, encoding="utf-8") as lines:
        return sum(len(line.split()) for line in lines)


def selftaught(task: Task) -> dict[str, Any]:
    """Run the user's whole call on a text that is not in the cache: read, encode, train, write the run folder."""
    folder = Path(tempfile.mkdtemp(prefix="words-"))
    os.environ["SELFTAUGHT_CACHE"] = str(folder / "cache")
    import numba
    import torch

    from selftaught import methods, pretraining

    torch.set_num_threads(1)
    numba.set_num_threads(1)
    methods.load(task["method"])

    def train(text: str, out: Path) -> Any:
        return pretraining.pretrain(
            task["method"],
            text,
            out=out,
            split="all",
            tokens="whitespace",
            progress=False,
            encoder={
                "name": "subwords" if task["method"] == "fasttext" else "lookup",
                "dim": task["dim"],
                "min_count": task["min_count"],
            },
            model=task["model"],
            window=task["window"],
            sample=task["sample"],
            threads=task["threads"],
            epochs=task["epochs"],
            lr=task["lr"],
            seed=task["seed"],
            negatives=task["negatives"],
            **task.get("more", {}),
        )

    if "warm" in task:
        train(task["warm"], folder / "warm")
    taken = Taken()
    try:
        run = train(task["text"], folder / "run")
        total, memory, summary = taken.since(), taken.memory(), run.summary
        seconds = summary["seconds"]
        if "out" in task:
            from selftaught import ask
            from selftaught.export import vectors as files

            files.write(Path(task["out"]), ask.vectors(run), format="binary")
        return {"train": [seconds, seconds * total[1] / total[0]], "total": total, "memory": memory}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(task: Task) -> dict[str, Any]:
    """Measure the cost of a run besides its work: a text of a few words, with every kernel compiled before."""
    began = time.perf_counter()
    from selftaught import methods, pretraining

    methods.load(task["method"])
    imported = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SELFTAUGHT_CACHE"] = f"{folder}/cache"
        Path(folder, "text.txt").write_text("the cat sat on the mat\n" * 20)
        taken = Taken()
        pretraining.pretrain(task["method"], f"{folder}/text.txt", out=f"{folder}/run", progress=False, epochs=1)
        return {"imports": imported, "total": taken.since(), "memory": taken.memory()}


def glove(task: Task) -> dict[str, Any]:
    """Time counting and training separately, as the tool's programs do; kernels are loaded before."""
    import torch

    from selftaught.data.text import open_text

    torch.set_num_threads(1)
    torch.manual_seed(task["seed"])
    _glove(open_text(["the cat sat on the mat"] * 9, "all", tokens="whitespace"), task | {"epochs": 1})
    return _glove(open_text(task["text"], "all", tokens="whitespace"), task)


def _glove(corpus: Any, task: Task) -> dict[str, Any]:
    from selftaught import encoders
    from selftaught.method import Clock
    from selftaught.methods import load

    taken = Taken()
    encoder = encoders.build("lookup", corpus.input(), dim=task["dim"], min_count=task["min_count"])
    method: Any = load("glove")(encoder, window=task["window"], threads=task["threads"])
    method.prepare(corpus)
    counting, began = taken.since(), taken.now()
    clock, pairs = Clock(task["seed"]), 0
    for clock.epoch in range(task["epochs"]):
        pairs += sum(method.advance(clock, 0.05, step)["pairs"] for step in range(method.steps_in_epoch()))
    return {
        "counting": counting,
        "pairs": pairs // task["epochs"],
        "train": taken.since(began),
        "memory": taken.memory(),
    }


def ngram(task: Task) -> dict[str, Any]:
    """Kneser-Ney: counting the text, and the probability of each of its words; kernels are loaded before."""
    from selftaught.data.text import open_text

    _ngram(open_text(["the cat sat on the mat"] * 9, "all", tokens="whitespace"), task)
    return _ngram(open_text(task["text"], "all", tokens="whitespace"), task)


def _ngram(corpus: Any, task: Task) -> dict[str, Any]:
    from selftaught import encoders
    from selftaught.method import Clock
    from selftaught.methods import load

    taken = Taken()
    method: Any = load("ngram")(encoders.build("bag", corpus.input(), min_count=1), order=task["order"])
    method.prepare(corpus)
    clock = Clock(steps=method.steps_in_epoch())
    for step in range(clock.steps):
        method.advance(clock, 0.0, step)
        clock.step += 1
    method.model()
    train, began = taken.since(), taken.now()
    scores = method.score_ids(corpus.ids, corpus.sentences)
    scoring, memory = taken.since(began), taken.memory()
    return {
        "train": train, "scoring": scoring, "scored": len(scores), "ngrams": len(method.word), "memory": memory,
        "perplexity_of_itself": round(math.exp(-scores.mean()), 2),
    }  # fmt: skip


PROGRAMS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "gensim": gensim, "fasttext": fasttext, "selftaught": selftaught, "start": start, "glove": glove, "ngram": ngram,
}  # fmt: skip


def main() -> None:
    task = json.loads(sys.argv[1])
    found = PROGRAMS[task["tool"]](task)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
