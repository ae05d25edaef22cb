"""SWAG's CSV, COPA's XML and one's own rows of choices."""

from __future__ import annotations

import pytest

from selftaught.data.text.labelled.choices import read
from selftaught.errors import UserError

SWAG = """,video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label
0,a,1,x,"A band, playing.",He,gold,"eats, slowly.",sings.,runs.,flies.,1
1,a,1,x,B.,She,gold,eats.,sings.,runs.,flies.,7
2,a,1,x,B.,She
"""
ITEM = '<item id="{}" asks-for="{}" most-plausible-alternative="{}"><p>It rained.</p><a1>{}</a1><a2>I sang.</a2></item>'


def of(tmp_path, name, content, columns=None):
    (tmp_path / name).write_text(content)
    return read(tmp_path / name, columns, name)


def test_swag(tmp_path):
    found = of(tmp_path, "train.csv", SWAG)
    (only,) = found.examples
    assert (only.beginning, only.right) == ("A band, playing.", 1) and found.form == "SWAG"
    assert only.choices == ("He eats, slowly.", "He sings.", "He runs.", "He flies.")
    assert [one["reason"] for one in found.skipped] == [
        "the right choice is '7', not 0 to 3", "6 cells where the first row has 12",
    ]  # fmt: skip


def test_copa(tmp_path):
    items = (
        ITEM.format(1, "cause", 2, "It was wet.") + ITEM.format(2, "effect", "", "B.") + ITEM.format(3, "x", 1, "C.")
    )
    found = of(tmp_path, "copa-dev.xml", f"<copa-corpus>{items}</copa-corpus>")
    assert [(one.choices, one.right) for one in found.examples] == [
        (("because It was wet.", "because I sang."), 1), (("so B.", "so I sang."), None),
    ]  # fmt: skip
    assert found.skipped[0]["path"] == "copa-dev.xml, item 3"


def test_own_columns(tmp_path):
    found = of(tmp_path, "a.tsv", "b\tc\td\tr\nOne\tand two\tand 'three\t1\n", ("b", ("c", "d"), "r"))
    assert found.examples[0].choices == ("and two", "and 'three") and found.examples[0].right == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "x,y\n1,2\n", "a.csv has no column 'sent1', but 'x', 'y': give SWAG's CSV"),
        ("a.csv", "sent1,sent2,ending0\na,b,c\n", "a.csv has fewer than two columns of choices"),
        ("a.xml", "<a>", "a.xml is not valid XML"),
        ("a.xml", "<a/>", "a.xml has no <item>: it is not COPA's XML"),
        ("a.csv", "", "a.csv is empty"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, said):
    with pytest.raises(UserError, match=said):
        of(tmp_path, name, content)


@pytest.mark.shared
def test_copa_is_read_whole(shared_data):
    for part in ("dev", "test"):
        path = shared_data / "text" / "copa" / f"copa-{part}.xml"
        found = read(path, None, path.name)
        assert len(found.examples) == 500 and not found.skipped
