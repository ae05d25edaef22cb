"""All English texts of the catalog in one corpus, used to train word vectors.

The documents of 'sotu', 'anarchism', 'gcide', 'wordnet' and 'handbook', in this order. A paragraph that occurs in two
of them is kept once.
"""

from __future__ import annotations

from selftaught.data.entry import Entry
from selftaught.data.sets import anarchism, gcide, handbook, sotu, wordnet
from selftaught.data.text.text_set import Files, TextSet, known, texts

KIND = "text"
NAMES = ("english",)
PARTS = [
    sotu.SETS["sotu"],
    anarchism.SETS["anarchism"],
    gcide.SETS["gcide"],
    wordnet.SETS["wordnet"],
    handbook.SETS["handbook"],
]
SIZE, SHA256 = known("english")
ENTRY = Entry(
    "english", "all English texts of this list together: speeches, essays, "
               "two dictionaries, a handbook", SIZE, (), "see its parts",
    ", ".join(part.ENTRY.name for part in PARTS), kind=KIND,
)  # fmt: skip


def joined() -> Files:
    """Return the finished files. Raises UserError if a part cannot be downloaded."""
    documents = {}
    for part in PARTS:
        for path in sorted(part.files().iterdir()):
            documents[f"{part.ENTRY.name}-{path.stem}"] = path.read_text(encoding="utf-8").splitlines()
    return texts(documents)


SETS = {"english": TextSet(ENTRY, SHA256, [joined], "download its parts one by one")}
