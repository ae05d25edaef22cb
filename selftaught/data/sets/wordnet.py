"""The glosses of WordNet 3.0 (Fellbaum 1998): definitions of 117,659 sets of synonyms, and example sentences.

Each set of synonyms is a line: its words, then the gloss ("dog, domestic dog, Canis familiaris: a member of the genus
Canis ..."). Each of the 45 lexicographer files of WordNet (animals, food, verbs of motion, ...) is a document.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from selftaught.data.entry import Entry
from selftaught.data.text.markup import tidy
from selftaught.data.text.text_set import Files, TextSet, debian, known, texts

KIND = "text"
NAMES = ("wordnet",)
SIZE, SHA256 = known("wordnet")
ENTRY = Entry(
    "wordnet", "WordNet: synonyms and their definitions", SIZE, (), "WordNet 3.0 License",
    "Debian package wordnet-base, else deb.debian.org, else snapshot.debian.org", kind=KIND,
)  # fmt: skip
FILES = (  # by number, see lexnames(5)
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl",
)
PLACE = re.compile(r"\((?:a|p|ip)\)$")  # the position of an adjective: before its noun or after it


def build(root: Path) -> Files:
    """Return the finished files, from the unpacked package. Raises FileNotFoundError."""
    documents = defaultdict(list)
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (root / "usr/share/wordnet" / f"data.{kind}").read_text(encoding="ascii").splitlines():
            if not line.startswith("  "):  # the licence
                documents[FILES[int(line[9:11])]].append(synonyms(line))
    return texts({name: documents[name] for name in sorted(documents)})


def synonyms(line: str) -> str:
    """Return one line of a data file as text: "words: gloss". wndb(5) describes its fields."""
    fields, _, gloss = line.partition(" | ")
    field = fields.split(" ")
    words = [PLACE.sub("", word).replace("_", " ") for word in field[4 : 4 + 2 * int(field[3], 16) : 2]]
    return tidy(f"{', '.join(dict.fromkeys(words))}: {gloss}")


SETS = {
    "wordnet": TextSet(
        ENTRY, SHA256,
        debian(
            "wordnet-base", "w/wordnet/wordnet-base_3.0-37_all.deb",
            "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752", build,
        ),
        "connect to the network, or use another text",
    ),
}  # fmt: skip
