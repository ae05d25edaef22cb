"""The tasks of text: what they learn, what they say, what is drawn, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluate.texts import made

from selftaught.data.text.labelled.example import Choices, Question, Tagged
from selftaught.errors import UserError
from selftaught.evaluate.tasks.choice import Choice, _rows
from selftaught.evaluate.tasks.pair import Pair
from selftaught.evaluate.tasks.sentence import Sentence
from selftaught.evaluate.tasks.similarity import Similarity
from selftaught.evaluate.tasks.span import Span
from selftaught.evaluate.tasks.tagging import Tagging
from selftaught.evaluate.texts.rows import LEFT_OUT, Rows
from selftaught.evaluate.texts.spans import Windows, best
from selftaught.evaluate.texts.tagger import Pieces

TASKS = {
    "sentence": (Sentence, made.sentences, "causal_transformer", 95),
    "pair": (Pair, made.pairs, "transformer", 80),
    "similarity": (Similarity, lambda folder: made.pairs(folder, number=True), "causal_transformer", 80),
    "tagging": (Tagging, made.tagged, "transformer", 95),
    "span": (Span, made.questions, "transformer", 80),
    "choice": (Choice, made.choices, "causal_transformer", 85),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Each task with its method, its numbers and its data, trained once from random weights."""
    found = {}

    def of(name):
        if name not in found:
            kind, write, encoder, _ = TASKS[name]
            folder = write(tmp_path_factory.mktemp(name))
            task = kind(made.training())
            line, method, parts = made.learned(task, made.Start(encoder), folder, steps=100, lr=3e-3)
            found[name] = task, method, line, parts, folder
        return found[name]

    return of


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_learned(trained, name):
    task, _, line, _, _ = trained(name)
    assert line[task.metrics[0]] >= TASKS[name][3], line


@pytest.mark.parametrize("name", TASKS)
def test_weights_alone_restore_the_method(trained, name):
    _, method, line, parts, folder = trained(name)
    kind, _, encoder, _ = TASKS[name]
    task, tensors = kind(made.training()), method.state_dict()
    again = task.restored(made.encoder(encoder), tensors, line["setting"])
    again.load_state_dict(tensors)
    index = range(min(3, len(parts.test)))
    a, b = (one.eval().say(**made.batch(one, parts.test, index)) for one in (method, again))
    assert torch.equal(a, b)
    said = task.predicted(again, folder, parts.train.classes, k=1, threshold=0.0)
    rows = list(said.rows)
    assert rows and all("sample" in row for row in rows) and len(rows) >= said.count >= len(parts.train)
    # training and test samples together, so no worse than what was learned
    assert next(iter(said.measured().values())) > 70


@pytest.mark.parametrize("name", TASKS)
def test_the_report_has_what_is_true_beside_what_is_said(trained, name):
    task, method, _, parts, _ = trained(name)
    found = task.examples(method, parts.test)
    assert found["section"] == "answers" and len(found["rows"]) == 20
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    if name == "similarity":
        assert np.corrcoef(np.array([row[1:] for row in found["rows"]]).T)[0, 1] > 0.5
    else:
        assert sum(row[1] == row[2] for row in found["rows"]) > 14


@pytest.mark.parametrize("name", TASKS)
def test_settings_are_tried_on_training_samples_alone(trained, name):
    task, _, _, parts, _ = trained(name)
    fitted, held = task.halves(parts.train, 0)
    both = [one for source in (fitted, held) for one in source.names(np.arange(len(source)))]
    assert sorted(both) == sorted(parts.train.names(np.arange(len(parts.train)))) and len(held) < len(fitted)
    drawn = [task.few(parts.train, budget, 1) for budget in ("10%", "50%")]
    few, more = (set(one.names(np.arange(len(one)))) for one in drawn)
    assert few < more and len(more) == len(parts.train) // 2
    assert task.halves(task.few(parts.train, "2%", 0), 0) is None


def test_metrics_are_those_of_the_data_first(tmp_path):
    task = Pair(made.training())
    task.open(made.Start(), made.pairs(tmp_path))
    assert task.metrics == ("F1", "accuracy", "Matthews")
    (tmp_path / "train.tsv").write_text("gj04\t1\t\tw1 good\nx\t0\t*\tw2 bad\n")
    (tmp_path / "dev.tsv").write_text("gj04\t1\t\tw3 good\nx\t0\t*\tw4 bad\n")
    task = Sentence(made.training())
    task.open(made.Start(), tmp_path)
    assert task.metrics[0] == "Matthews"


@pytest.mark.parametrize("side", [False, True])
def test_gpt_says_the_same_of_two_texts_in_either_order(tmp_path, side):
    data = made.pairs(tmp_path, number=True)
    for kind, name, alike in ((Similarity, "causal_transformer", True), (Similarity, "transformer", False)):
        start, task = made.Start(name), kind(made.training())
        parts = task.open(start, data)
        method = task.method(start.encoder, side).eval()
        raw = parts.train.fetch(np.arange(6))
        turned = raw | {"example": [one._replace(texts=one.texts[::-1]) for one in raw["example"]]}
        a, b = (method.say(**method.views.apply(one, {}, torch.device("cpu"))) for one in (raw, turned))
        assert torch.allclose(a, b, atol=1e-5) == alike
    given = Similarity(made.training(), order="given")
    parts = given.open(made.Start("causal_transformer"), data)
    assert len(made.batch(given.method(made.encoder("causal_transformer"), False), parts.train, [0, 1])["ids"]) == 2


def test_the_order_of_choices_is_that_of_their_scores(trained):
    _, method, _, parts, _ = trained("choice")
    raw = parts.test.fetch(np.arange(5))
    turned = raw | {"example": [one._replace(choices=one.choices[::-1]) for one in raw["example"]]}
    a, b = (method.eval().say(**method.views.apply(one, {}, torch.device("cpu"))) for one in (raw, turned))
    assert torch.allclose(a, b.flip(1), atol=1e-5) and torch.allclose(a.sum(1), torch.ones(5))
    uneven = raw | {
        "example": [raw["example"][0]._replace(choices=(*raw["example"][0].choices, "w1")), raw["example"][1]]
    }
    uneven |= {"index": np.arange(2)}
    p = method.say(**method.views.apply(uneven, {}, torch.device("cpu")))
    assert p.shape == (2, 3) and p[1, 2] == 0 and torch.allclose(p[1, :2], a[1], atol=1e-5)


def test_all_choices_follow_the_same_end_of_a_long_beginning():
    rows = Rows(made.encoder("causal_transformer", context=10))
    found = _rows(rows, Choices(" ".join(f"w{i}" for i in range(9)), ("good", "bad w1 w2"), 0, ""))
    assert [row.ids[1 : row.texts[0][1]] for row in found] == [(5, 6, 7, 8)] * 2 and rows.cut == 1
    assert [row.texts[1][1] - row.texts[1][0] for row in found] == [1, 3]


def test_words_have_the_target_at_their_first_symbol_alone():
    rows = Rows(made.encoder("transformer"))
    pieces = Pieces(rows)
    example = Tagged(("w1", "w2-w3, w4", ".", "bob"), ("O", "B-X", "O", "B-Y"), "")
    (row,) = pieces(example)
    v = len(made.WORDS)
    assert row.ids[1:-1] == (1, v, 4, v, made.WORDS.index("bob"))  # what has no token has a symbol all the same
    assert pieces.places(example) == [[1, 2, 4, 5]]


def test_long_sentences_are_read_in_pieces_and_counted():
    pieces = Pieces(Rows(made.encoder("transformer", context=6)))
    example = Tagged(tuple(f"w{i}" for i in range(10)), ("O",) * 10, "")
    assert [len(row.ids) for row in pieces(example)] == [6, 6, 4] and pieces.long == 1
    assert [len(one) for one in pieces.places(example)] == [4, 4, 2]


def test_tags_of_a_long_sentence_are_all_learned_and_said(tmp_path):
    data = made.tagged(tmp_path)
    start, task = made.Start("transformer", context=6), Tagging(made.training())
    parts = task.open(start, data)
    method = task.method(start.encoder, False)
    batch = made.batch(method, parts.train, [0, 1])
    words = [len(example.words) for example in parts.train.examples[:2]]
    assert int((batch["target"] != LEFT_OUT).sum()) == sum(words) and len(batch["ids"]) > 2
    assert any("read in pieces" in note for note in parts.train.notes)
    assert set(task.judge(method.eval(), parts.train, parts.test)) == {"F1", "precision", "recall", "macro F1"}


def test_windows_overlap_and_hold_every_answer():
    windows = Windows(Rows(made.encoder("transformer", context=12)), 64, 4)
    words = [f"w{i}" for i in range(20)]
    passage = " ".join(words)
    for i, word in enumerate(words):
        example = Question("Who?", passage, ((word, passage.index(f"{word}")),), "")
        rows, parts = windows(example), windows.windows(example)
        assert all(len(row.ids) <= 12 for row in rows) and len(rows) == len(parts)
        first = [part.places[0][0] for part in parts]
        assert first == sorted(first) and parts[-1].places[-1][1] == len(passage)
        found = [part.places[part.answer[0]] for part in parts if part.answer]
        assert found and all(passage[begin:end] == word for begin, end in found), i
    assert windows.split == 20 and windows.cut == 0
    assert len(windows(Question("w1 " * 30, "w2 w3", (("w2", 0),), ""))[0].ids) <= 12 and windows.cut == 1


def test_answers_become_the_tokens_that_they_touch(tmp_path):
    windows = Windows(Rows(made.encoder("transformer")), 64, 8)
    passage = "Met (Ann Bob) today."
    part = windows.windows(Question("?", passage, (("Ann Bob", 5),), ""))[0]
    assert part.answer == (1, 2) and [passage[a:b] for a, b in part.places] == ["Met", "Ann", "Bob", "today"]
    assert windows.windows(Question("?", passage, (("Bob)", -1),), ""))[0].answer is None


def test_the_best_answer_is_that_of_a_search(tmp_path):
    torch.manual_seed(0)
    for longest in (1, 3, 30):
        scores = torch.randn(2, 1 + 14)
        score, i, j = best(scores, 4, [(0, 1)] * 8, longest)
        every = {
            (a, b): float(scores[0, 5 + a] + scores[1, 5 + b]) for a in range(8) for b in range(a, min(8, a + longest))
        }
        assert (i, j) == max(every, key=every.get) and score == pytest.approx(every[i, j])
    assert best(torch.zeros(2, 5), 4, [], 3)[0] == -float("inf")


def test_questions_without_an_answer_have_none(tmp_path):
    start, task = made.Start("transformer"), Span(made.training())
    line, method, parts = made.learned(task, start, made.questions(tmp_path, none=True, long=2), steps=200)
    assert bool(method.unanswerable) and line["F1"] > 60
    said = list(task.predicted(method, tmp_path / "dev.json", (), k=1, threshold=0.0).rows)
    empty = [row["answer"] == "" for row in said]
    wanted = [example.answers == () for example in parts.test.examples]
    assert np.mean(np.array(empty) == np.array(wanted)) > 0.7 and 0 < sum(empty) < len(empty)


def test_elmo_is_frozen_under_what_it_gives(tmp_path):
    start, data = made.Start("lstm"), made.tagged(tmp_path)
    line, _, _ = made.learned(Tagging(made.training()), start, data, steps=60, lr=1e-2, side="frozen")
    assert line["F1"] > 80


def test_a_causal_lstm_is_tuned_as_gpt_is(tmp_path):
    start, data = made.Start("causal_lstm"), made.sentences(tmp_path)
    line, _, _ = made.learned(Sentence(made.training()), start, data, steps=60, lr=1e-2)
    assert line["accuracy"] > 85


@pytest.mark.parametrize("name", TASKS)
def test_repeated_test_samples_are_kept_if_asked(tmp_path, name):
    kind, write, encoder, _ = TASKS[name]
    write(tmp_path)
    judged = next(path for path in tmp_path.iterdir() if "train" not in path.name)
    (train,) = (path for path in tmp_path.iterdir() if "train" in path.name)
    judged.write_bytes(train.read_bytes())
    parts = kind(made.training(repeated=True)).open(made.Start(encoder), tmp_path)
    assert len(parts.test) == len(parts.train)
    with pytest.raises(UserError, match="every test sample also occurs in the training data"):
        kind(made.training()).open(made.Start(encoder), tmp_path)


def test_what_is_too_long_is_told_first(tmp_path):
    told = list[str]()
    made.sentences(tmp_path)
    Sentence(made.training()).open(made.Start(context=6), tmp_path, told.append)
    assert "longer than 6 symbols, of which the rest is not read" in told[0]
    assert told[0].startswith(
        "160 training and 40 test sentences, 2 classes (0, 1); train is train.tsv, test is dev.tsv"
    )


def test_data_that_cannot_serve_are_refused(tmp_path):
    start = made.Start()
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text(f"sentence\tlabel\nw1 {name}\t1\nw2 {name}\t1\n")
    with pytest.raises(UserError, match="all training sentences have the same label"):
        Sentence(made.training()).open(start, tmp_path)
    lines = "\n".join(f"w{i} train\tl{i}" for i in range(30))
    (tmp_path / "train.tsv").write_text(f"sentence\tlabel\n{lines}\n")
    with pytest.raises(UserError, match="30 different labels of 30 training sentences"):
        Sentence(made.training()).open(start, tmp_path)
    with pytest.raises(UserError, match="--first alone names one of two columns: name both"):
        Pair(made.training(), first="a")
    with pytest.raises(UserError, match="--beginning and --choices belong together"):
        Choice(made.training(), beginning="a")
    with pytest.raises(UserError, match=r"stride must be in \(0, 1\], not 0"):
        Span(made.training(), stride=0)
    with pytest.raises(UserError, match="count columns from 1, or from the end"):
        Tagging(made.training(), tag=0)
    (tmp_path / "a.txt").write_text("a O\n\nb O\n\nc O\n")
    with pytest.raises(UserError, match="no training word has a tag other than O"):
        Tagging(made.training()).open(start, tmp_path / "a.txt")
    task = Tagging(made.training())
    (tmp_path / "tags").mkdir()
    parts = task.open(start, made.tagged(tmp_path / "tags"))
    with pytest.raises(UserError, match="labels 3/class: sentences have tags of several types"):
        task.few(parts.train, 3, 0)


def test_tags_are_a_chain_where_the_paper_has_one_or_when_asked_for(tmp_path):
    data = made.tagged(tmp_path)
    for name, asked, wanted in (
        ("lstm", "auto", True), ("transformer", "auto", False), ("transformer", "on", True), ("lstm", "off", False)
    ):  # fmt: skip
        start, task = made.Start(name), Tagging(made.training(dropout=0.0), crf=asked)
        parts = task.open(start, data)
        method = task.method(start.encoder, False)
        assert (method.chain is not None) == wanted
        batch = made.batch(method, parts.train, range(4))
        loss = method(**batch)["loss"]
        if not wanted:
            continue
        method.chain.transitions.data[:, 1] = 5.0  # of a chain, and of nothing else, the loss is another
        assert (method(**batch)["loss"] - loss).abs() > 0.1
        method(**batch)["loss"].backward()
        assert method.chain.transitions.grad.any()
        method.chain.transitions.data[:] = 0.0
        method.chain.transitions.data[:, 2] = 100.0
        said = method.eval().say(**batch)
        assert said[0, 1:3, 0].tolist() == [2, 2] and said[0, 1, 1].item() == pytest.approx(1, abs=1e-4)
        tensors = method.state_dict()
        again = Tagging(made.training()).restored(made.encoder(name), tensors, {})
        again.load_state_dict(tensors)
        assert torch.equal(again.eval().say(**batch), said)
