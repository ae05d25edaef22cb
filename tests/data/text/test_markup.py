"""Pages become plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught.data.text.markup import paragraphs, tidy


@pytest.mark.parametrize(("given", "said"), [
    ("it\u2019s \u2018so\u2019 \u201cquoted\u201d \u201elow\u201d", "it's 'so' \"quoted\" \"low\""),
    ("Al\u2011Baghdadi co\u00adop\u200b\ufeff", "Al-Baghdadi coop"),
    ("posts on--our", "posts on - our"), ("so -- he said -- went", "so - he said - went"),
    ("the option --os-type of it", "the option --os-type of it"),
    ("a\u00a0b\tc\n d  ", "a b c d"), ("and so on\u2026", "and so on..."), ("a\x00b\x1fc\x9fd", "a b c d"),
    ("caf\u00e9 \u6f22", "caf\u00e9 \u6f22"),
    ("\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0645\u06cc\u200c\u0634\u0648\u062f"),
])  # fmt: skip
def test_tidy(given, said):
    assert tidy(given) == said


@given(st.text())
def test_tidy_gives_one_line_and_is_done_after_once(text):
    once = tidy(text)
    assert "\n" not in once and once == once.strip() and "  " not in once
    assert tidy(tidy(once)) == tidy(once)


def test_paragraphs():
    page = """<!DOCTYPE html><html><head><title>No</title></head><body class="x"><!-- no <p>no</p> -->
    <h1>One <i>great</i>
      head</h1><p>It&rsquo;s a&nbsp;<b>bold</b>ly &lt;said&gt; thing.<br>Next line.</p><p></p><script>no()</script>
    <ul><li>first</li><li>second</ul><pre>$ no</pre><DIV>Last"""
    assert paragraphs(page) == ["One great head", "It's a boldly <said> thing. Next line.", "first", "second", "Last"]
