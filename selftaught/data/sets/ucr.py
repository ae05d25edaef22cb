"""Small sets of the UCR and UEA archives of time series, with their own training and test parts.

They are the ones that the package aeon holds (its wheel on PyPI is downloaded, and nothing of it is installed or run).
Each has few training series: pretraining uses them without labels.
"""

from __future__ import annotations

from selftaught.data.entry import Entry
from selftaught.data.signal.signal_set import SignalSet

KIND = "signal"
NAMES = (
    "acsf1",
    "arrow-head",
    "basic-motions",
    "gun-point",
    "italy-power",
    "japanese-vowels",
    "osu-leaf",
    "pickup-gesture",
)
WHEEL = ("aeon", "1.6.0")
TEN = tuple("0123456789")
KNOWN: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, str]]] = {
    "acsf1": (
        "ACSF1", "power that home appliances take; the class is the appliance", "100 + 100 of 1,460", TEN,
        (
            "0646b90dc4843e02baed6b2ba345c5601a4991b6796565489cef1b2d92a7537b",
            "93e8aaeb44a10af181d24a156e60da7021193cd990ca28f263fccf3b905bfebf",
        ),
    ),
    "arrow-head": (
        "ArrowHead", "outlines of projectile points; the class is the type", "36 + 175 of 251", TEN[:3],
        (
            "a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72",
            "5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904",
        ),
    ),
    "basic-motions": (
        "BasicMotions", "accelerometer and gyroscope of a watch; the class is what its wearer does",
        "40 + 40 of 100, 6 channels", ("Standing", "Running", "Walking", "Badminton"),
        (
            "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
            "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
        ),
    ),
    "gun-point": (
        "GunPoint", "height of a hand that draws a gun or points", "50 + 150 of 150", TEN[1:3],
        (
            "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
            "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
        ),
    ),
    "italy-power": (
        "ItalyPowerDemand", "electrical power of a day; the class is the half of the year", "67 + 1,029 of 24",
        TEN[1:3],
        (
            "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c",
            "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144",
        ),
    ),
    "japanese-vowels": (
        "JapaneseVowels", "cepstra of two vowels; the class is the speaker", "270 + 370 of 7 to 29, 12 channels",
        TEN[1:],
        (
            "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
            "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
        ),
    ),
    "osu-leaf": (
        "OSULeaf", "outlines of leaves; the class is the species", "200 + 242 of 427", TEN[1:7],
        (
            "86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc",
            "6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce",
        ),
    ),
    "pickup-gesture": (
        "PickupGestureWiimoteZ", "acceleration of a hand; the class is the person who makes the gesture",
        "50 + 50 of 29 to 361", (*TEN[1:], "10"),
        (
            "4d303d9990df621c066fc454d62626e3721aed008462103500b86b1ac1ca92c8",
            "a9109bce918e48ee0e924e9cf2fdfdc4de364a3d88ec5e8aa44399ff08b11361",
        ),
    ),
}  # fmt: skip
"""The archive's name of each set, what it holds, its size, its classes, and SHA-256 of the training and test file."""


def shelf(name: str) -> SignalSet:
    """Return one data set."""
    archive, what, size, classes, digests = KNOWN[name]
    licence = "none stated; UCR and UEA archives"
    entry = Entry(name, what, size, classes, licence, f"wheel of aeon {WHEEL[1]} on PyPI", kind=KIND)
    return SignalSet(entry, WHEEL, f"aeon/datasets/data/{archive}/{archive}", digests)


SETS = {name: shelf(name) for name in NAMES}
