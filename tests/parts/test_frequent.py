import pytest

from selftaught.errors import UserError
from selftaught.parts.frequent import frequent

INPUT = {"kind": "text", "tokens": "words", "lower": True, "words": ["a", "b", "c"], "counts": [5, 2, 2]}


def test_words_that_occur_often_enough_are_kept() -> None:
    words, counts, kept = frequent(INPUT, 3, "lookup")
    assert words == ("a",) and counts.tolist() == [5]
    assert kept == INPUT | {"words": ["a"], "counts": [5]}
    assert frequent(INPUT, 2, "lookup")[0] == ("a", "b", "c")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            (
                r"^no word occurs 6 times \(the most frequent, 'a', does so 5 times\): use a smaller --min-count, or "
                r"more text$"
            ),
        ),
        ({"words": [], "counts": []}, r"^no word occurs 6 times \(there is no word\)"),
    ],
)
def test_what_cannot_serve_is_said(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        frequent(INPUT | changed, 6, "lookup")


def test_an_input_without_words_is_refused() -> None:
    with pytest.raises(UserError, match=r"^the encoder lookup reads words, and this input has none: "):
        frequent({"kind": "image", "size": 8}, 1, "lookup")
