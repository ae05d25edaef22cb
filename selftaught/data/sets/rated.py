"""Short texts rated by twenty people, from -4 to 4 (Hutto and Gilbert 2014, "VADER").

There are film reviews, editorials, tweets and product reviews.

The label is the sign of the mean rating. Texts with a mean between -0.5 and 0.5 are removed, because half a step of the
scale is about the uncertainty of a mean over twenty people. Snippets of one editorial or review form a group, so that
they stay on one side of a split.

The film snippets are those of 'sentence-polarity' with different labels: do not train on one set and test on the other.
"""

from __future__ import annotations

import html
import io
import tarfile
from collections.abc import Iterator
from functools import partial

from selftaught.data import remote
from selftaught.data.entry import Entry
from selftaught.data.text.markup import tidy
from selftaught.data.text.text_set import Files, TextSet, known, records

KIND = "text"
NAMES = ("rated-movies", "rated-news", "rated-tweets", "rated-products")
SDIST = ("vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
INSIDE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
UNCERTAIN = 0.5
CLASSES = ("negative", "positive")
PARTS = {
    "rated-movies": ("movieReviewSnippets", "sentences of film reviews, rated by sentiment"),
    "rated-news": ("nytEditorialSnippets", "sentences of New York Times editorials, rated by sentiment"),
    "rated-tweets": ("tweets", "tweets, rated by sentiment"),
    "rated-products": ("amazonReviewSnippets", "sentences of product reviews, rated by sentiment"),
}


def from_pypi(name: str) -> Files:
    """Return the finished file of one set. Raises Unavailable."""
    with remote.sdist(*SDIST) as outer:
        data = remote.member(outer, INSIDE)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return records(name, rows(remote.member(archive, f"hutto_ICWSM_2014/{PARTS[name][0]}_GroundTruth.txt")))


def rows(data: bytes) -> Iterator[dict[str, str]]:
    """Return the rated texts of one file, whose lines have a number, a mean rating and a text.

    The number is "editorial_sentence" if texts belong together.
    """
    for line in filter(None, data.decode("utf-8").split("\n")):
        number, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= UNCERTAIN:
            row = {"text": tidy(html.unescape(text)), "label": CLASSES[float(rating) > 0]}
            yield row | ({"group": number.partition("_")[0]} if "_" in number else {})


def shelf(name: str) -> TextSet:
    """Return one data set."""
    size, sha256 = known(name)
    entry = Entry(
        name, PARTS[name][1], size, CLASSES, "MIT", "source distribution of vaderSentiment 3.3.2 on PyPI", kind=KIND
    )
    return TextSet(
        entry, sha256, [partial(from_pypi, name)], "connect to the network with pip installed, or use texts of your own"
    )


SETS = {name: shelf(name) for name in PARTS}
