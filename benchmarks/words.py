"""Words compared with gensim, the fastText tool and GloVe's programs: speed, memory and quality of the vectors.

    python -m benchmarks.words
        Every row that is not in results/words.json yet.
    python -m benchmarks.words skipgram cbow
        Measure these rows again. (Points of quality and documents are kept, unless --again is given.)
    python -m benchmarks.words --table
        Print the results.
    python -m benchmarks.words --quick --out /tmp
        A small text and one round, to test that it runs.

Each training is a separate process (`benchmarks.words_process`) with its own memory and compile caches. The programs
take turns, and ratios are medians over rounds. All get the same file: the corpus `english`, tokenised, one sentence per
line, with the same settings. "train" is the loop alone. "total" is the whole time for the user, including reading and
vocabulary, and for selftaught also the encoded corpus, the checkpoints and the run folder. Rows of quality and of
documents are saved seed by seed.

GloVe's programs (github.com/stanfordnlp/GloVe, built with make) are compared if SELFTAUGHT_GLOVE is the folder with
cooccur, shuffle, glove and vocab_count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from benchmarks import measure
from benchmarks.words_process import counted

Row = dict[str, Any]
Point = dict[str, Any]

RUNS = Path("runs") / "words"
DATA = "english"
SETTINGS: dict[str, Any] = {"dim": 100, "window": 5, "negatives": 5, "min_count": 5, "sample": 1e-3, "threads": 2}
SEEDS = (0, 1, 2)
MORE_SEEDS = {"cbow": range(20)}
"""Number of seeds for quality. With three runs the spread itself is random (for gensim's CBOW on WordSim-353 it was 2.0
in one set and 0.1 in another).
"""
EPOCHS = 5
GENSIM: dict[str, dict[str, Any]] = {
    "gensim": {"tool": "gensim", "reading": "sentences"},
    "gensim, corpus_file": {"tool": "gensim", "reading": "file"},
}
"""Its usual input, an iterable of sentences, and its fastest, which must be a plain file."""
TRAININGS: dict[str, dict[str, Any]] = {
    "skipgram": {
        "model": "skipgram",
        "lr": 0.025,
        "method": "word2vec",
        "peers": GENSIM,
        "rounds": 3,
        "train": 6.0,
        "total": 4.5,
    },
    "cbow": {
        "model": "cbow",
        "lr": 0.05,
        "method": "word2vec",
        "peers": GENSIM,
        "rounds": 3,
        "train": 3.0,
        "total": None,
    },
    "fasttext": {
        "model": "skipgram",
        "lr": 0.05,
        "method": "fasttext",
        "peers": {"fasttext": {"tool": "fasttext"}},
        "rounds": 2,
        "train": 3.0,
        "total": None,
    },
    "fasttext-window": {
        "model": "skipgram",
        "lr": 0.05,
        "method": "fasttext",
        "more": {"negatives_per": "window"},
        "peer_of": "fasttext",
        "peers": {"fasttext": {"tool": "fasttext"}},
        "rounds": 2,
        "train": 6.0,
        "total": None,
    },
}
"""What is trained for one epoch, the peers (the goals are ratios to the first), rounds, and the goal as a ratio.

A peer that trains in the same way for another case (`peer_of`) is trained and judged once for both.
"""
SETS = ("sentence-polarity", "rated-movies", "rated-news", "rated-tweets", "rated-products")
METHODS: dict[str, dict[str, Any]] = {
    "word2vec": {"threads": 2},
    "fasttext": {"threads": 2, "negatives_per": "window"},
    "glove": {"threads": 2},
    "nnlm": {"minutes": 2.0, "min_count": 20},
    "bert": {"minutes": 10.0},
    "simcse": {"minutes": 10.0},
    "data2vec": {"minutes": 10.0},
    "cpc": {"minutes": 10.0},
}
"""What is trained on `english` to classify documents, with arguments that differ from the defaults."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "skip-gram, a pair's own negatives": ("skipgram", {"negatives_per": "pair"}),
    "skip-gram, hierarchical softmax": ("skipgram", {"loss": "hierarchical"}),
    "CBOW, hierarchical softmax": ("cbow", {"loss": "hierarchical"}),
    "CBOW, shares of the error": ("cbow", {"share_error": True}),
    "skip-gram, text shuffled": ("skipgram", {"shuffle": 200_000}),
    "CBOW, text shuffled": ("cbow", {"shuffle": 200_000}),
}
"""What is trained, and the arguments of the variant."""
SMOOTHINGS: tuple[dict[str, Any], ...] = (
    {"smoothing": "kneser-ney"},
    {"smoothing": "modified-kneser-ney"},
    {"smoothing": "add-k", "k": 0.01},
    {"smoothing": "add-k", "k": 1.0},
)
LOSSES = {"softmax": "softmax", "hierarchical": "hs", "negative": "ns", "one_vs_all": "ova"}
"""Arguments of fastText's classifier, and their names in its tool."""
CLASSIFYING: dict[str, Any] = {"dim": 100, "epochs": 25, "lr": 0.1, "min_count": 1, "threads": 2}
SMALL_TEXT = "sotu"
SCORES = ("wordsim353", "simlex999", "analogies", "semantic", "syntactic")


class Bench:
    """Shared by all rows: the text, the number of rounds, and the points measured so far."""

    def __init__(self, quick: bool, data: str, seeds: int, points: list[Point], saved: Callable[[], None]) -> None:
        self.quick, self.data, self.seeds = quick, data, SEEDS[:seeds]
        self.more_seeds = MORE_SEEDS if seeds == len(SEEDS) else {}
        self.points, self.saved = points, saved
        self._text: tuple[Path, int] | None = None

    @property
    def text(self) -> tuple[Path, int]:
        """The tokenised corpus as a file, and its number of words."""
        if self._text is None:
            RUNS.mkdir(parents=True, exist_ok=True)
            path = RUNS / f"{Path(self.data).stem}{'-quick' if self.quick else ''}.txt"
            if not path.exists():
                written(path, self.data, 100_000 if self.quick else None)
            self._text = path.resolve(), counted(str(path))
        return self._text

    def task(self, **about: Any) -> dict[str, Any]:
        text = about.get("text") or str(self.text[0])
        return {**SETTINGS, "epochs": 1, "seed": 0, **about, "text": text}

    def turns(self, tasks: dict[str, dict[str, Any]], rounds: int) -> dict[str, list[Row]]:
        """Run every task once per round, after one unmeasured run of ours (compilation). The first one rotates."""
        names = list(tasks)
        for name in names:
            if tasks[name]["tool"] not in ("gensim", "fasttext"):
                child(tasks[name] | {"text": str(warm_up())})
        found: dict[str, list[Row]] = {name: [] for name in names}
        for r in range(1 if self.quick else rounds):
            for name in names[r % len(names) :] + names[: r % len(names)]:
                found[name].append(child(tasks[name]))
                print(f"  round {r + 1}, {name}: {json.dumps(found[name][-1])}", flush=True)
        return found

    def point(self, key: Point, made: Callable[[], Point]) -> Point:
        """Return the point with this key, from the file or measured and saved now."""
        for point in self.points:
            if key.items() <= point.items():
                return point
        point = key | {"quick": self.quick} | made()
        self.points.append(point)
        print(f"  {json.dumps(point)}", flush=True)
        self.saved()
        return point


def written(path: Path, data: str, limit: int | None) -> None:
    """Write the corpus as lines of words with spaces between them; the file gets its final name when it is complete."""
    import numpy as np

    from selftaught.data.text import open_text

    corpus = open_text(data, "all")
    words = np.array(list(corpus.words), dtype=object)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for begin, end in zip(corpus.sentences[:-1], corpus.sentences[1:], strict=True):
            if limit is not None and begin > limit:
                break
            file.write(" ".join(words[corpus.ids[begin:end]]) + "\n")
    part.rename(path)


def warm_up() -> Path:
    """A text just long enough to compile every kernel."""
    path = RUNS / "warm.txt"
    RUNS.mkdir(parents=True, exist_ok=True)
    path.write_text("the cat sat on the mat and the dog sat on the log\n" * 50)
    return path.resolve()


def child(task: dict[str, Any]) -> Row:
    """Run one task in a separate process."""
    alone = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return measure.child("words_process", task, **alone)


def timing(rounds: list[Row], what: str) -> measure.Timing:
    return measure.Timing([r[what][0] for r in rounds], [r[what][1] for r in rounds])


def has(peer: str) -> bool:
    if importlib.util.find_spec(peer) is None:
        print(
            f"  {peer} is not installed, so there is no comparison: pip install 'selftaught[bench]' (fasttext: "
            "up to Python 3.12)"
        )
        return False
    return True


# --- speed and memory


def training(name: str, bench: Bench) -> Row:
    """Return words of the text per second and CPU second, and how many times longer the peer takes."""
    case = TRAININGS[name]
    about = {"model": case["model"], "lr": case["lr"]}
    words = bench.text[1]
    tasks = {"selftaught": bench.task(tool="selftaught", method=case["method"], more=case.get("more", {}), **about)}
    tasks |= {peer: bench.task(**program, **about) for peer, program in case["peers"].items() if has(program["tool"])}
    rounds = bench.turns(tasks, case["rounds"])
    row: Row = {
        "what": f"{name} training",
        "words": words,
        "rounds": len(rounds["selftaught"]),
        "peer": next(iter(case["peers"])),
        **about,
    }
    for what in ("train", "total"):
        times = {tool: timing(found, what) for tool, found in rounds.items()}
        row[what] = {
            "words_per_second": {tool: round(words / median(t.wall)) for tool, t in times.items()},
            "words_per_cpu_second": {tool: round(words / median(t.cpu)) for tool, t in times.items()},
            "seconds": {tool: round(median(t.wall), 3) for tool, t in times.items()},
            "goal": case[what],
        }
        row[what]["times"] = {
            peer: measure.ratio(times[peer], times["selftaught"]) for peer in times if peer != "selftaught"
        }
        row[what]["times_cpu"] = {
            peer: measure.ratio(times[peer], times["selftaught"], "cpu") for peer in row[what]["times"]
        }
    row["memory_mb"] = {tool: round(median(r["memory"] for r in found), 1) for tool, found in rounds.items()}
    return row


def memory(bench: Bench) -> Row:
    """Return the peaks above the memory after the imports and one training of a few words, which loads compiled code.

    One for each tool.
    """
    case = TRAININGS["skipgram"]
    about = {"model": case["model"], "lr": case["lr"], "warm": str(warm_up())}
    tasks = {"selftaught": bench.task(tool="selftaught", method=case["method"], **about)}
    tasks |= {peer: bench.task(**program, **about) for peer, program in case["peers"].items() if has(program["tool"])}
    rounds = bench.turns(tasks, 3)
    return {
        "what": "memory of skipgram training", "words": bench.text[1], "rounds": len(rounds["selftaught"]),
        "goal": "no more than the peer's",
        "memory_mb": {tool: round(median(r["memory"] for r in found), 1) for tool, found in rounds.items()},
    }  # fmt: skip


def startup(bench: Bench) -> Row:
    """Time a run of word2vec on twenty lines, with every kernel in the compile cache."""
    rounds = bench.turns({"selftaught": {"tool": "start", "method": "word2vec"}}, 7)["selftaught"]
    return {
        "what": "start-up over the imports, kernels compiled before",
        "rounds": len(rounds),
        "goal": 0.5,
        "seconds": {"selftaught": round(median(r["total"][0] for r in rounds), 3)},
        "cpu_seconds": {"selftaught": round(median(r["total"][1] for r in rounds), 3)},
        "imports": round(median(r["imports"] for r in rounds), 3),
        "memory_mb": round(median(r["memory"] for r in rounds), 1),
    }


def glove(bench: Bench) -> Row:
    """Return counting in words per second and training in pairs (both directions) per second and epoch; window 15."""
    words, epochs = bench.text[1], 1 if bench.quick else 3
    rounds = bench.turns({"selftaught": bench.task(tool="glove", window=15, epochs=epochs)}, 3)["selftaught"]
    row: Row = {
        "what": "glove", "words": words, "pairs": rounds[0]["pairs"], "rounds": len(rounds), "epochs": epochs,
        "counting_words_per_second": {"selftaught": round(words / median(r["counting"][0] for r in rounds))},
        "counting_words_per_cpu_second": {"selftaught": round(words / median(r["counting"][1] for r in rounds))},
        "pairs_per_second": {"selftaught": round(median(r["pairs"] * epochs / r["train"][0] for r in rounds))},
        "pairs_per_cpu_second": {"selftaught": round(median(r["pairs"] * epochs / r["train"][1] for r in rounds))},
        "memory_mb": {"selftaught": round(median(r["memory"] for r in rounds), 1)},
    }  # fmt: skip
    if "SELFTAUGHT_GLOVE" not in os.environ:
        print("  GloVe's own programs are not compared: build them and set SELFTAUGHT_GLOVE to their folder")
        return row
    tool = Path(os.environ["SELFTAUGHT_GLOVE"])
    theirs = [glove_tool(tool, bench.text[0], epochs) for _ in rounds]
    pairs = theirs[0]["pairs"]
    row["pairs_tool"] = pairs
    row["counting_words_per_second"]["glove"] = round(words / median(t["counting"][0] for t in theirs))
    row["counting_words_per_cpu_second"]["glove"] = round(words / median(t["counting"][1] for t in theirs))
    row["pairs_per_second"]["glove"] = round(pairs * epochs / median(t["train"][0] for t in theirs))
    row["pairs_per_cpu_second"]["glove"] = round(pairs * epochs / median(t["train"][1] for t in theirs))
    ours = {what: timing(rounds[: len(theirs)], what) for what in ("counting", "train")}
    row["times"] = {what: measure.ratio(timing(theirs, what), ours[what]) for what in ours}
    row["goal"] = 1.0
    return row


def glove_tool(tool: Path, text: Path, epochs: int) -> Row:
    """GloVe's programs. Counting includes vocabulary, co-occurrences and their shuffling; 16 bytes are one pair."""
    folder = RUNS / "glove-tool"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def run(program: str, *flags: Any, given: str | None = None, made: str | None = None) -> None:
        with (
            open(folder / given if given else text, "rb") as source,
            open(folder / made if made else os.devnull, "wb") as sink,
        ):
            subprocess.run(
                [str((tool / program).resolve()), *map(str, flags)],
                stdin=source,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                check=True,
            )

    clocks = [clock()]
    run("vocab_count", "-min-count", SETTINGS["min_count"], "-verbose", 0, made="vocab.txt")
    run("cooccur", "-memory", 1.0, "-vocab-file", "vocab.txt", "-window-size", 15, "-verbose", 0, made="pairs.bin")
    run("shuffle", "-memory", 1.0, "-verbose", 0, given="pairs.bin", made="shuffled.bin")
    clocks.append(clock())
    run(
        "glove",
        "-save-file",
        "vectors",
        "-threads",
        SETTINGS["threads"],
        "-input-file",
        "shuffled.bin",
        "-x-max",
        10,
        "-iter",
        epochs,
        "-vector-size",
        SETTINGS["dim"],
        "-binary",
        1,
        "-vocab-file",
        "vocab.txt",
        "-verbose",
        0,
    )
    clocks.append(clock())
    counting, train = ([b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(clocks))
    pairs = (folder / "pairs.bin").stat().st_size // 16
    shutil.rmtree(folder)
    return {"counting": counting, "train": train, "pairs": pairs}


def clock() -> list[float]:
    """Return wall seconds, and CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [time.perf_counter(), used.ru_utime + used.ru_stime]


def ngram(bench: Bench) -> Row:
    """Kneser-Ney of order 3: counting a text into a model, and the probability of each of its words."""
    rounds = bench.turns({"selftaught": bench.task(tool="ngram", order=3)}, 3)["selftaught"]
    words = bench.text[1]
    return {
        "what": "Kneser-Ney, order 3",
        "words": words,
        "ngrams": rounds[0]["ngrams"],
        "rounds": len(rounds),
        "goal": 1_000_000,
        "counts_per_second": round(words / median(r["train"][0] for r in rounds)),
        "counts_per_cpu_second": round(words / median(r["train"][1] for r in rounds)),
        "scores_per_second": round(median(r["scored"] / r["scoring"][0] for r in rounds)),
        "scores_per_cpu_second": round(median(r["scored"] / r["scoring"][1] for r in rounds)),
        "memory_mb": round(median(r["memory"] for r in rounds), 1),
    }


def vectors(bench: Bench) -> Row:
    """Time reading and writing vector files, compared with gensim's reader of the same formats."""
    import numpy as np

    from selftaught.export import vectors as files
    from selftaught.parts.word_vectors import WordVectors

    size = 2_000 if bench.quick else 30_000
    RUNS.mkdir(parents=True, exist_ok=True)
    matrix = np.random.default_rng(0).normal(0, 0.1, (size, SETTINGS["dim"])).astype(np.float32)
    made = WordVectors(tuple(f"word{i}" for i in range(size)), matrix)
    row: Row = {"what": f"files of {size:,} vectors", "megabytes_per_second": {}, "times": {}, "times_cpu": {}}
    for name in ("text", "binary"):
        path = RUNS / f"vectors.{name}"
        candidates: dict[str, Callable[[], object]] = {
            "selftaught": partial(files.read, path),
            "selftaught, writing": partial(files.write, path, made, format=name),
        }
        candidates["selftaught, writing"]()
        if has("gensim"):
            from gensim.models import KeyedVectors

            candidates["gensim"] = partial(KeyedVectors.load_word2vec_format, str(path), binary=name == "binary")
        times = measure.interleaved(candidates, 1 if bench.quick else 7)
        megabytes = path.stat().st_size / 1e6
        row["megabytes_per_second"] |= {
            f"{name}, {tool}": round(megabytes / median(t.wall), 1) for tool, t in times.items()
        }
        if "gensim" in times:
            row["times"][name] = measure.ratio(times["gensim"], times["selftaught"])
            row["times_cpu"][name] = measure.ratio(times["gensim"], times["selftaught"], "cpu")
        path.unlink()
    return row


# --- what the vectors are worth


def quality(name: str, bench: Bench) -> Row:
    """Return rank correlations x 100 and percent of analogies, over seeds, with the peers' results.

    gensim's two inputs differ in the order of the text: from a file, each thread reads a part of it. The fastText tool
    has no seed for these.
    """
    case = TRAININGS[name]
    row: Row = {
        "what": f"quality of {name}",
        "epochs": EPOCHS,
        "seeds": {},
        "peer": next(iter(case["peers"])),
        "scores": {},
    }
    tools = {"selftaught": {"tool": "selftaught"}} | {
        peer: program for peer, program in case["peers"].items() if has(program["tool"])
    }
    for tool, about in tools.items():
        seeds = bench.seeds if about.get("reading") == "file" else bench.more_seeds.get(name, bench.seeds)
        owner = name if tool == "selftaught" else case.get("peer_of", name)
        keys = [{"row": f"quality-{owner}", "tool": tool, "seed": seed} for seed in seeds]
        points = [bench.point(key, partial(judged, bench, case, about, key["seed"])) for key in keys]
        row["scores"][tool] = {score: spread([p[score] for p in points]) for score in SCORES}
        row["seeds"][tool] = len(seeds)
    return row


def judged(bench: Bench, case: dict[str, Any], program: dict[str, Any], seed: int) -> Point:
    from selftaught import evaluate
    from selftaught.export import vectors as files

    out = RUNS / f"{program['tool']}-{case['method']}-{case['model']}-{seed}.bin"
    about = {"model": case["model"], "lr": case["lr"], "method": case["method"], "epochs": 1 if bench.quick else EPOCHS}
    about |= {name: case[name] for name in ("text", "sample") if name in case}
    more = case.get("more", {}) if program["tool"] == "selftaught" else {}
    found = child(bench.task(**program, **about, seed=seed, more=more, out=str(out.resolve())))
    scores = evaluate.words.judge(files.read(out))
    out.unlink()
    return {score: scores[score]["trained"] for score in SCORES} | {"seconds": round(found["total"][0], 1)}


def small_text(bench: Bench) -> Row:
    """Return the quality of fastText on a small text with the defaults of its tool, where negatives count most.

    Each pair's own negatives (the default), those of a window, and the tool.
    """
    text = RUNS / f"{SMALL_TEXT}.txt"
    RUNS.mkdir(parents=True, exist_ok=True)
    if not text.exists():
        written(text, SMALL_TEXT, None)
    case = {"model": "skipgram", "lr": 0.05, "method": "fasttext", "text": str(text.resolve()), "sample": 1e-4}
    programs = {per: ("selftaught", {"negatives_per": per}) for per in ("pair", "window")}
    programs |= {"fasttext": ("fasttext", {})} if has("fasttext") else {}
    row: Row = {"what": f"fastText on {SMALL_TEXT}", "epochs": EPOCHS, "seeds": len(bench.seeds), "scores": {}}
    for name, (tool, more) in programs.items():
        keys = [{"row": "small-text", "program": name, "seed": seed} for seed in bench.seeds]
        made = [
            bench.point(key, partial(judged, bench, case | {"more": more}, {"tool": tool}, key["seed"])) for key in keys
        ]
        row["scores"][name] = {score: spread([point[score] for point in made]) for score in SCORES}
    return row


def documents(method: str, bench: Bench) -> Row:
    """Classify sentences by features learned on `english`: trained, untrained, and a bag of words; percent."""
    row: Row = {"what": f"documents by {method}", "seeds": len(bench.seeds), "sets": {}}
    for data in SETS[:1] if bench.quick else SETS:
        points = [
            bench.point(
                {"row": f"documents-{method}", "data": data, "seed": seed},
                partial(classified, bench, method, data, seed),
            )
            for seed in bench.seeds
        ]
        row["sets"][data] = {side: spread([p[side] for p in points]) for side in ("trained", "untrained", "raw")}
    return row


def classified(bench: Bench, method: str, data: str, seed: int) -> Point:
    import selftaught

    out = RUNS / f"{method}-{seed}{'-quick' if bench.quick else ''}"
    if not (out / "encoder.safetensors").exists():  # one encoder for all sets
        shutil.rmtree(out, ignore_errors=True)
        length = {"epochs": 1} if bench.quick else {}
        text = bench.text[0] if bench.quick else bench.data
        selftaught.pretrain(method, text, out=out, seed=seed, progress=False, split="all", **METHODS[method] | length)
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return probed(selftaught.load(out), data, seed)


def probed(run: Any, data: str, seed: int) -> Point:
    """Probe a run's averaged vectors, untrained ones and a bag of words by a linear classifier."""
    from selftaught import evaluate
    from selftaught.data.text import open_text
    from selftaught.pretraining.build import untrained

    before = untrained(run.config, run.encoder.spec["input"])
    found = evaluate.documents(
        run.encoder, open_text(data, "train"), open_text(data, "test"), seed, untrained=before, budgets=(), draws=1
    )
    return {side: found["linear"][side] for side in ("trained", "untrained", "raw")}


def classifier(bench: Bench) -> Row:
    """Return the accuracy of fastText's classifier on held-out sentences in percent, for each loss, and of its tool.

    Also a linear probe of the word vectors that it learned with the classes, of untrained ones, and of a bag of words.
    """
    row: Row = {
        "what": "fastText's classifier",
        "data": SETS[0],
        "settings": CLASSIFYING,
        "seeds": len(bench.seeds),
        "losses": {},
    }
    for loss in LOSSES:
        key = {"row": "classifier", "loss": loss}
        points = [bench.point(key | {"tool": "selftaught", "seed": s}, partial(named, loss, s)) for s in bench.seeds]
        found = {side: spread([p[side] for p in points]) for side in ("accuracy", "trained", "untrained", "raw")}
        if has("fasttext"):
            theirs = [
                bench.point(key | {"tool": "fasttext", "seed": s}, partial(named_by_tool, loss, s)) for s in bench.seeds
            ]
            found["fasttext"] = spread([p["accuracy"] for p in theirs])
        row["losses"][loss] = found
    return row


def named(loss: str, seed: int) -> Point:
    import selftaught
    from selftaught import evaluate
    from selftaught.data.text import open_text

    train, test = (open_text(SETS[0], split) for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        run = selftaught.pretrain(
            "fasttext_classifier", SETS[0], split="train", out=f"{folder}/run", seed=seed, progress=False, loss=loss,
            epochs=CLASSIFYING["epochs"], lr=CLASSIFYING["lr"], threads=CLASSIFYING["threads"],
            encoder={"name": "lookup", "dim": CLASSIFYING["dim"], "min_count": CLASSIFYING["min_count"]},
        )  # fmt: skip
        accuracy = evaluate.classifier(run.method(train), train, test)
        return {"accuracy": accuracy} | probed(run, SETS[0], seed)


def named_by_tool(loss: str, seed: int) -> Point:
    import fasttext

    from selftaught.data.text import open_text

    train, test = (open_text(SETS[0], split) for split in ("train", "test"))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(f"__label__{train.labels[i]} {train.text(i)}\n" for i in range(len(train)))
        file.flush()
        model = fasttext.train_supervised(
            file.name,
            loss=LOSSES[loss],
            seed=seed,
            epoch=CLASSIFYING["epochs"],
            lr=CLASSIFYING["lr"],
            dim=CLASSIFYING["dim"],
            minCount=CLASSIFYING["min_count"],
            thread=CLASSIFYING["threads"],
            verbose=0,
        )
    said = model.predict([test.text(i) for i in range(len(test))])[0]
    right = sum(names[0] == f"__label__{label}" for names, label in zip(said, test.labels, strict=True))
    return {"accuracy": 100 * right / len(test)}


def variants(bench: Bench) -> Row:
    """Evaluate word2vec's variants by the same tests, with words of the text per second over a whole training."""
    row: Row = {"what": "variants of word2vec", "epochs": EPOCHS, "seeds": len(bench.seeds), "scores": {}}
    for name, (base, more) in VARIANTS.items():
        points = []
        for seed in bench.seeds:
            program = {"tool": "selftaught", "more": more}
            points.append(
                bench.point(
                    {"row": "variants", "variant": name, "seed": seed},
                    partial(judged, bench, TRAININGS[base], program, seed),
                )
            )
        row["scores"][name] = {score: spread([p[score] for p in points]) for score in SCORES}
    return row


def language(bench: Bench) -> Row:
    """Return the perplexity on held-out addresses (`sotu`) of n-gram models (not random) and of NNLM over seeds."""
    row: Row = {"what": "perplexity of held-out text", "data": "sotu", "min_count": 20, "ngram": {}}
    for about in SMOOTHINGS:
        name = " ".join(str(value) for value in about.values())
        for order in (2, 3, 4, 5):
            key = {"row": "language", "model": name, "order": order}
            point = bench.point(key, partial(surprised, "ngram", 0, order=order, **about))
            row["ngram"].setdefault(name, {})[order] = point["perplexity"]
    length = {"steps": 20} if bench.quick else {"minutes": 2.0}
    points = [
        bench.point({"row": "language", "model": "nnlm", "seed": s}, partial(surprised, "nnlm", s, order=4, **length))
        for s in bench.seeds
    ]
    row["nnlm"] = spread([p["perplexity"] for p in points])
    return row


def surprised(method: str, seed: int, **about: Any) -> Point:
    import selftaught
    from selftaught.ask import language_model
    from selftaught.data.text import open_text
    from selftaught.evaluate.language import perplexity

    out = RUNS / f"language-{method}"
    shutil.rmtree(out, ignore_errors=True)
    run = selftaught.pretrain(method, "sotu", split="train", out=out, seed=seed, progress=False, min_count=20, **about)
    found = perplexity(language_model(run), open_text("sotu", "test"))
    shutil.rmtree(out, ignore_errors=True)
    return {
        "perplexity": round(found["perplexity"], 2),
        "tokens": found["tokens"],
        "unknown": round(found["unknown"], 4),
    }


def spread(values: list[float | None]) -> dict[str, float | None]:
    """Return mean and standard deviation over seeds; None if there is no value, or one seed."""
    known = [value for value in values if value is not None]
    return {
        "mean": round(mean(known), 2) if known else None,
        "spread": round(stdev(known), 2) if len(known) > 1 else None,
    }


# --- rows, printing


ROWS: dict[str, Callable[[Bench], Row]] = {
    **{name: partial(training, name) for name in TRAININGS},
    "memory": memory, "startup": startup, "glove": glove, "ngram": ngram, "vectors": vectors,
    **{f"quality-{name}": partial(quality, name) for name in TRAININGS},
    "small-text": small_text,
    **{f"documents-{method}": partial(documents, method) for method in METHODS}, "classifier": classifier,
    "variants": variants, "language": language,
}  # fmt: skip


def shown(row: Row) -> Iterable[str]:
    """Yield a row as lines of text."""
    yield f"\n{row['row']}: {row['what']}"
    for key, value in row.items():
        if key not in ("row", "what"):
            yield from _lines(key, value, 1)


def _lines(key: str, value: Any, depth: int) -> Iterable[str]:
    pad = "  " * depth
    if isinstance(value, dict) and value.keys() == {"median", "low", "high"}:
        yield f"{pad}{key:28} {value['median']:.2f}  ({value['low']:.2f} to {value['high']:.2f})"
    elif isinstance(value, dict) and value.keys() == {"mean", "spread"}:
        yield f"{pad}{key:28} {value['mean']} ± {value['spread']}"
    elif isinstance(value, dict):
        yield f"{pad}{key}"
        for name, part in value.items():
            yield from _lines(name, part, depth + 1)
    else:
        yield f"{pad}{key:28} {value:,}" if isinstance(value, int) else f"{pad}{key:28} {value}"


def main() -> None:
    """Measure the requested rows, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rows", nargs="*", metavar="row", help=f"one or more of {', '.join(ROWS)}; by default all that are missing"
    )
    parser.add_argument("--quick", action="store_true", help="a part of the text, one round, fewer epochs; needs --out")
    parser.add_argument("--data", default=DATA, help="a name in the catalog, or a path")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of quality and documents")
    parser.add_argument("--again", action="store_true", help="discard the earlier points of the named rows")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    parser.add_argument("--out", type=Path, default=measure.RESULTS, help="the folder of words.json")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.rows) - ROWS.keys()):
        parser.error(f"there is no row {', '.join(unknown)}: choose from {', '.join(ROWS)}")
    if asked.quick and asked.out == measure.RESULTS:
        parser.error("--quick needs --out: its numbers are not results")
    path = asked.out / "words.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    rows: dict[str, Row] = {row["row"]: row for row in old.get("rows", [])}
    points: list[Point] = [p for p in old.get("points", []) if not (asked.again and p["row"] in asked.rows)]

    def saved() -> None:
        ordered = [rows[name] for name in ROWS if name in rows]
        measure.save("words", ordered, asked.out, settings=SETTINGS, data=asked.data, points=points)

    bench = Bench(asked.quick, asked.data, asked.seeds, points, saved)
    for name in () if asked.table else asked.rows or [name for name in ROWS if name not in rows]:
        print(f"{name} ...", flush=True)
        rows[name] = {"row": name, **ROWS[name](bench)}
        saved()
    for name in ROWS:
        if name in rows and (not asked.rows or name in asked.rows):
            print("\n".join(shown(rows[name])))


if __name__ == "__main__":
    main()
