"""The Collaborative International Dictionary of English (GCIDE 0.48): Webster's of 1913 with later additions.

Each letter is a document; each sense, quotation, list of synonyms or note is a line ("Bank: The margin of a
watercourse; ..."). Removed are pronunciation, grammar, etymology and other text in square brackets, names after
quotations, and tags. Letters lose their diacritics ("a["e]ronaut" becomes "aeronaut").
"""

from __future__ import annotations

import gzip
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.markup import tidy
from selftaught.data.text.text_set import Files, TextSet, debian, known, texts

KIND = "text"
NAMES = ("gcide",)
SIZE, SHA256 = known("gcide")
ENTRY = Entry(
    "gcide", "an English dictionary: definitions with quotations", SIZE, (), "GPL-2+",
    "Debian package dict-gcide, else deb.debian.org, else snapshot.debian.org", kind=KIND,
)  # fmt: skip
DIGITS = {
    digit: value for value, digit in enumerate(string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/")
}

PRONOUNCED = re.compile(r"\\[^\\]*\\(?:\s*\([^()]*\))?")
MARKED = re.compile(r"\[[\"'`^~=,.*-]?([A-Za-z]{1,2})\^?\]")
NAMED = {
    "imac": "i", "aum": "a", "asl": "a", "add": "a", "udd": "u", "eth": "th", "thorn": "th", "yogh": "gh",
    "deg": "\u00b0", "pounds": "\u00a3",
}  # fmt: skip
LETTER = re.compile(rf"\[({'|'.join(NAMED)})\]")
BRACKETS = re.compile(r"\[[^\[\]]*\]")
TAG = re.compile(r"\[?(?:1913 Webster|Webster 1913|WordNet \d|PJC|AS|RDH|RHUD|MW10)\b[^\[\]]{0,20}\]")
SOUNDED = re.compile(r"\([^()\s]*[A-Za-z][\"*`'][A-Za-z][^()]*\)")  # (a*ba"sik)
MORE = r"(?:[\"*`'-]+[A-Za-z]+)*"
# -- A*maz"ing*ly, adv.
SYLLABLES = re.compile(rf"(?:--\s*)?\b([A-Za-z]+{MORE}[\"*][A-Za-z]+{MORE})[\"`']?(?:,\s*(?:n|a|adv|v)\.)?")
AUTHORS = re.compile(r"(?: ?--(?=[A-Z0-9(])[^\"-]{1,70}?)+$|(?<=[.?!\"]) --(?=[A-Z])[A-Za-z.' ]{1,30}\.(?= |$)")
GRAMMAR = re.compile(r"^(?:[,&]?\s*(?:n|a|adj|adv|v|t|i|p|pr|vb|pl|imp|prop|conj|prep|interj|pron|sing)\.\s*)+")
ENDING = re.compile(r"(?: (?:n|a|adj|adv|v|t|i|pl|prop)\.)+$")
CLASS = re.compile(r"(?:,|(--)) (?:n|a|adv|v)\.(?: ?[ti]\.)?(?= |$)")  # "See Bank, n." and "-- n. A native of Jamaica"
NUMBER = re.compile(r"^\s*(?:\d+\.\s*)?(?:\([a-z]\)\s+)?")
ASIDE = re.compile(r"^\([^()]*\)\.?$")
SUBSENSE = re.compile(r"\n\s+(?=\([a-z]\)\s)")
LABEL = re.compile(r"^(Syn|Note|Usage):\s*")
FIELDS = {
    "Agric": "agriculture",
    "Alg": "algebra",
    "Anat": "anatomy",
    "Antiq": "antiquities",
    "Arch": "architecture",
    "Astron": "astronomy",
    "Biol": "biology",
    "Bot": "botany",
    "Carp": "carpentry",
    "Chem": "chemistry",
    "Com": "commerce",
    "Eccl": "church",
    "Elec": "electricity",
    "Fort": "fortification",
    "Geog": "geography",
    "Geol": "geology",
    "Geom": "geometry",
    "Gram": "grammar",
    "Her": "heraldry",
    "Hort": "horticulture",
    "Mach": "machinery",
    "Math": "mathematics",
    "Mech": "mechanics",
    "Med": "medicine",
    "Metal": "metallurgy",
    "Meteor": "meteorology",
    "Mil": "military",
    "Min": "mineralogy",
    "Mus": "music",
    "Myth": "mythology",
    "Naut": "nautical",
    "Opt": "optics",
    "Paleon": "paleontology",
    "Philos": "philosophy",
    "Phon": "phonetics",
    "Photog": "photography",
    "Phys": "physics",
    "Physiol": "physiology",
    "Print": "printing",
    "Psychol": "psychology",
    "Rhet": "rhetoric",
    "Script": "scripture",
    "Surg": "surgery",
    "Theol": "theology",
    "Zool": "zoology",
}
FIELD = re.compile(rf"\(({'|'.join(FIELDS)})\.\)", re.IGNORECASE)


def build(root: Path) -> Files:
    """Return the finished files, from the unpacked package.

    Raises FileNotFoundError, and Unavailable if they are damaged.
    """
    folder = root / "usr/share/dictd"
    index = (folder / "gcide.index").read_text(encoding="utf-8")
    try:
        with gzip.open(folder / "gcide.dict.dz") as stream:
            data = stream.read()
    except remote.BROKEN as error:
        raise remote.Unavailable(f"gcide.dict.dz is damaged ({error})") from None
    letters: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries(index, data):
        letters[initial(entry)] += senses(entry)
    return texts({letter: letters[letter] for letter in sorted(letters)})


def entries(index: str, data: bytes) -> Iterator[str]:
    """Return the entries in the order of the file.

    A line of the index has a word, an offset and a length. Several words may point to one entry.
    """
    rows = [line.split("\t") for line in index.splitlines() if not line.startswith("00-")]
    places = sorted({(number(offset), number(length)) for _, offset, length in rows})
    end = 0
    for offset, length in places:
        if offset >= end:  # some words point into the middle of an entry
            end = offset + length
            yield data[offset:end].decode("utf-8", errors="replace")


def number(digits: str) -> int:
    """Return a number in the base 64 of dictd, most significant digit first."""
    value = 0
    for digit in digits:
        value = value * 64 + DIGITS[digit]
    return value


def initial(entry: str) -> str:
    """Return the initial letter of an entry, or "0"."""
    first = entry.lstrip("-' \"")[:1].lower()
    return first if "a" <= first <= "z" else "0"


def senses(entry: str) -> Iterator[str]:
    """Return the senses, quotations and notes of one entry as clean text."""
    first = MARKED.sub(r"\1", entry.partition("\n")[0])
    word = first.partition("\\")[0] if "\\" in first else re.split(r"[,(\[]", first)[0]
    word = tidy(ENDING.sub("", BRACKETS.sub("", word).replace("{", "").replace("}", "")))
    entry = LETTER.sub(lambda found: NAMED[found[1]], PRONOUNCED.sub("", entry))
    entry = TAG.sub("\n\n", entry)
    while (shorter := BRACKETS.sub("", MARKED.sub(r"\1", entry))) != entry:  # brackets can be nested
        entry = shorter
    _, _, body = entry.partition("\n")  # the first line has the word and its grammar
    for part in re.split(r"\n\s*\n", SUBSENSE.sub("\n\n", body)):
        label = LABEL.match(part.lstrip())
        aside = (
            part.lstrip("\n").startswith(" " * 9)
            or part.lstrip().startswith("{")
            or (label is not None and label[1] != "Syn")
        )
        text = clean(LABEL.sub("", part.lstrip()))
        if text and not ASIDE.match(text):
            yield text if aside or not word else f"{word}: {text}"


def clean(part: str) -> str:
    """Return a sense, quotation or note without its number, its grammar and the names after it.

    Abbreviations of fields of knowledge are written out.
    """
    text = " ".join(SOUNDED.sub("", part.replace("{", "").replace("}", "")).split())
    text = SYLLABLES.sub(lambda found: re.sub(r"[\"*`'-]", "", found[1]).lower(), text)
    text = CLASS.sub(r"\1", NUMBER.sub("", GRAMMAR.sub("", NUMBER.sub("", AUTHORS.sub("", text)))))
    return tidy(FIELD.sub(lambda found: f"({FIELDS[found[1].title()]})", text))


SETS = {
    "gcide": TextSet(
        ENTRY, SHA256,
        debian(
            "dict-gcide", "d/dict-gcide/dict-gcide_0.48.5+nmu2_all.deb",
            "7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f", build,
        ),
        "connect to the network, or use another text",
    ),
}  # fmt: skip
