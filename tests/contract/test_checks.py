"""A method that breaks one rule of the contract fails the check of that rule, with a sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selftaught.cli import main
from selftaught.contract import Case, check
from selftaught.contract.checks import (
    Check,
    forward_writes_no_state,
    gradients_are_those_of_the_terms,
    gradients_reach_the_players_alone,
    learns_a_toy,
    ranks_agree,
    resumes_to_the_same_bits,
    says_what_it_is,
    sees_every_toy,
)
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "examples" / "mine.py"
FORWARD = "        z, other = (self.standardised("
HEAD = "        self.encoder = encoder"
UNUSED = "        self.idle = torch.nn.Parameter(torch.zeros(3))"

REACHED = '    reached = ("encoder", "head", "first", "second")'
FROZEN = """
    def players(self):
        from selftaught.method import Player

        return [Player("main", [{"params": list(self.parameters()), "lr_scale": 0.0}])]

    def standardised("""
LOSS = '"loss": same + self.weight * apart'
PLAYERS = """
    def players(self):
        from selftaught.method import Player

        return [Player("main", [{"params": list(self.encoder.parameters())}])]

    def standardised("""


def broken(folder: Path, old: str, new: str, name: str = "broken.py") -> Case:
    text = EXAMPLE.read_text()
    assert old in text
    path = folder / name
    path.write_text(text.replace(old, new))
    return Case(str(path), "image")


@pytest.mark.parametrize(
    ("number", "rule", "old", "new", "why"),
    [
        (0, says_what_it_is, "@final\n", "", "must be decorated with @final"),
        (1, says_what_it_is, "        weight: Of the second term.\n", "", "the argument weight is not documented"),
        (
            2,
            says_what_it_is,
            "    sees = (",
            "    distributed = False\n    sees = (",
            "distributed must be True, or a sent",
        ),
        (3, gradients_reach_the_players_alone, "\n    def standardised(", PLAYERS, "a gradient reaches head.weight"),
        (4, gradients_reach_the_players_alone, LOSS, '"loss": (same + apart) / 0', "the loss is inf|the loss is nan"),
        (5, gradients_reach_the_players_alone, LOSS, '"lost": same', "must return a dictionary with 'loss'"),
        (6, gradients_reach_the_players_alone, LOSS, '"loss": z.sum(1)', "a tensor without dimensions"),
        (
            7,
            forward_writes_no_state,
            FORWARD,
            "        self.head.weight.data.mul_(1.01)\n" + FORWARD,
            "forward changed head.weight",
        ),
        (8, learns_a_toy, LOSS, '"loss": 1 + 0 * same', "the loss went from"),
        (9, learns_a_toy, "(found.argmax(1) ==", "(found.argmin(1) ==", "the pretext stays at chance"),
        (10, sees_every_toy, FORWARD, "        assert first.shape[1] == 1, 'grey'\n" + FORWARD, "grey"),
        (
            11,
            resumes_to_the_same_bits,
            FORWARD,
            "        self.calls = vars(self).get('calls', 0) + 1\n        self.weight = 1.0 + self.calls\n" + FORWARD,
            "differs after a stop and a resume",
        ),
        (12, gradients_reach_the_players_alone, HEAD, HEAD + "\n" + UNUSED, "no gradient reaches idle"),
        (
            12,
            gradients_are_those_of_the_terms,
            "z.T @ other /",
            "z.T @ other.detach() /",
            "gradient of the term 'same'",
        ),
        (
            13,
            gradients_are_those_of_the_terms,
            "z.T @ other /",
            "(z.T / 2 + z.detach().T / 2) @ other /",
            "by finite differences",
        ),
        (14, gradients_are_those_of_the_terms, LOSS, '"loss": same + apart.detach()', "'apart' adds nothing"),
        (
            15,
            gradients_are_those_of_the_terms,
            LOSS,
            '"loss": same + apart + z[0].square().sum()',
            "not a sum of those of its term",
        ),
        (16, gradients_are_those_of_the_terms, REACHED, '    reached = ("head",)', "reaches encoder, which"),
        (17, gradients_are_those_of_the_terms, REACHED, '    reached = ("body",)', "names body, but the method has no"),
        (18, gradients_are_those_of_the_terms, '"same": same,', '"same": same.detach(),', "must hold 'same' with its"),
        (19, learns_a_toy, "\n    def standardised(", FROZEN, "the loss went from|the weights that it started with"),
    ],
)
def test_what_is_broken_is_found(number: int, rule: Check, old: str, new: str, why: str, tmp_path: Path) -> None:
    case = broken(tmp_path, old, new, f"broken{number}.py")
    (tmp_path / "runs").mkdir()
    with pytest.raises(AssertionError, match=why):
        rule(case, tmp_path / "runs", no_ranks)


def no_ranks() -> Ranks:
    raise RuntimeError("not needed")


def test_ranks_that_do_not_gather_are_found(ranks: Ranks, tmp_path: Path) -> None:
    case = broken(
        tmp_path, "gather_with_gradient(self.head(self.encoder(x)))", "self.head(self.encoder(x))", "apart.py"
    )
    (tmp_path / "runs").mkdir()
    with pytest.raises(AssertionError, match="one process and two differ"):
        ranks_agree(case, tmp_path / "runs", lambda: ranks)


def test_the_example_holds_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLE)]) == 0
    out = capsys.readouterr().out
    assert out.count("ok  ") == 9 and "9 hold, 0 do not, 0 are not promised" in out


def test_promises_that_are_not_made_are_not_checked(tmp_path: Path) -> None:
    said = "    deterministic = 'a toy'\n    distributed = 'a toy'\n    gradient = 'a toy'\n    sees = ("
    case = broken(tmp_path, "    sees = (", said, "excused.py")
    found = list(check(case.name, case))
    assert [finding.holds for finding in found] == [True] + [None] * 8
    assert {finding.why for finding in found[1:]} == {"a toy"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = (\n", r"line 2: not valid Python"),
        ("x = 1\n", r"must define one class that subclasses Method \(or Compiled\), but defines 0"),
        (
            "import nowhere\nfrom selftaught import Method\n\n\nclass A(Method):\n    pass\n",
            r"line 1: ModuleNotFoundError",
        ),
        (
            "from selftaught import Method\n\n\nclass A(Method):\n    sees = ('image',)\n    x = 1 / 0\n",
            r"line 6: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_file_that_cannot_serve_is_said_with_its_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"own{abs(hash(text))}.py"
    path.write_text(text)
    assert main(["check", str(path)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    with pytest.raises(UserError, match=said):
        raise UserError(err)


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "gone.py")]) == 2
    assert "gone.py cannot be read: No such file or directory" in capsys.readouterr().err


def test_what_fails_is_a_line_with_its_place_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only: dict[Callable[..., None], str] = {gradients_reach_the_players_alone: "gradient"}
    monkeypatch.setattr("selftaught.contract.checks.CHECKS", only)
    case = broken(tmp_path, FORWARD, "        raise KeyError('lost')\n" + FORWARD, "raises.py")
    assert main(["check", case.name]) == 1
    out = capsys.readouterr().out
    assert "!!  the loss is finite" in out and "KeyError: 'lost' (" in out and "raises.py, line 5" in out
    assert "0 hold, 1 do not" in out
