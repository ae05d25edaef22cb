from __future__ import annotations

from pathlib import Path

import pytest

from selftaught.parts.signature import Argument, classes, constants

FILE = '''
import a_package_that_does_not_exist
from typing import Literal, ClassVar, final
from selftaught.parts.layers import Pool

Kind = Literal["wide", "deep"]
NAMES = {"one": {"depth": 1}}
COMPUTED = len("abc")


@final
class Thing(Base, other.Mixed):
    """What it is.

    More words: not an argument.

    Args:
        width: Units, which
            go on in a second line.
        kind: The shape.

    Raises:
        ValueError: Not an argument either.
    """

    recipe: ClassVar[dict[str, float]] = {"lr": -1e-3}

    def __init__(
        self,
        encoder: object,
        width: int = 3,
        kind: Kind = "wide",
        *,
        pool: Pool | None = None,
        scale: tuple[float, float] = (0.5, 1),
    ) -> None:
        pass


class Bare:
    sees, unit = "text", "words"
    first, second = computed()
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "thing.py"
    file.write_text(FILE)
    return file


def test_reads_a_class_without_importing_it(path: Path) -> None:
    thing, bare = classes(path)
    assert (thing.name, thing.bases, bare.name, bare.arguments) == ("Thing", ("Base", "other.Mixed"), "Bare", ())
    assert thing.doc.startswith("What it is.\n")
    assert thing.attributes == {"recipe": {"lr": -0.001}}
    assert bare.attributes == {"sees": "text", "unit": "words"}
    assert thing.arguments == (
        Argument("width", "int", 3, "Units, which go on in a second line."),
        Argument("kind", "Literal['wide', 'deep']", "wide", "The shape."),
        Argument("pool", "Literal['mean', 'max', 'flatten'] | None", None, ""),
        Argument("scale", "tuple[float, float]", (0.5, 1), ""),
    )


def test_reads_literal_constants_alone(path: Path) -> None:
    assert constants(path) == {"NAMES": {"one": {"depth": 1}}}
