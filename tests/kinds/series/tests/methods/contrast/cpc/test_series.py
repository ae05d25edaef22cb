"""The toy kind's sibling of cpc."""

from __future__ import annotations

from selftaught.contract.case import Case, batch

SMALL = {"temperature": 0.2}


def test_the_loss_is_the_cross_entropy_of_its_scores() -> None:
    case = Case("cpc", "series", {"temperature": 1e9})
    given = case.source(16)
    method = case.prepared(given)
    out = method(player="main", clock=None, **batch(method, given, range(16)))
    assert abs(float(out["loss"].detach()) - 2.7725887) < 1e-4  # log 16: so hot that all scores are alike
