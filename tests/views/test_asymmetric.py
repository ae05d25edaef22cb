"""BYOL's two views: alike but for blur and solarisation."""

from __future__ import annotations

from dataclasses import replace

from selftaught.views.asymmetric import asymmetric


def test_the_views_differ_in_blur_and_solarisation_alone() -> None:
    first, second = asymmetric(crop=0.3, strength=0.5, flip=0.1, grey=0.4, blur=0.9, other_blur=0.2, solarise=0.7)
    assert (first.crop, first.flip, first.jitter, first.jitter_p, first.grey) == (
        (0.3, 1.0),
        0.1,
        (0.2, 0.2, 0.1, 0.05),
        0.8,
        0.4,
    )
    assert (first.blur, first.solarise, second.blur, second.solarise) == (0.9, 0.0, 0.2, 0.7)
    assert replace(second, blur=0.9, solarise=0.0) == first
