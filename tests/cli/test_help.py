"""Help comes from signatures, and comes at once: neither torch nor numpy is imported for it."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest.mock import patch

import pytest

from selftaught import methods
from selftaught.cli import main
from selftaught.config import options

HEAVY = ("torch", "numpy", "numba", "scipy", "PIL", "sklearn")
VERBS = (
    "pretrain",
    "resume",
    "probe",
    "finetune",
    "embed",
    "compare",
    "report",
    "export",
    "methods",
    "data",
    "doctor",
    "demo",
)
FAST = (
    ["--help"],
    ["--version"],
    ["pretrain", "--help"],
    ["pretrain", "moco", "--help"],
    ["methods"],
    ["methods", "--json"],
    ["probe", "--help"],
    ["finetune", "--help"],
    ["pretrain", "simclrr", "digits"],
)


def helped(capsys, *words):
    with patch.dict(os.environ, COLUMNS="400"):  # no text is broken by a column beside it
        assert main([*words, "--help"]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_help_imports_nothing_heavy():
    program = (
        "import contextlib, io, sys\n"
        "from selftaught.cli import main\n"
        f"for words in {FAST!r}:\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):\n"
        "        main(words)\n"
        "    assert out.getvalue(), words\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not loaded, (words, loaded)\n"
        "import selftaught\n"
        "assert 'torch' not in sys.modules and 'pretrain' in dir(selftaught)\n"
    )
    environment = os.environ | {"COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_root_lists_every_verb(capsys):
    text = helped(capsys)
    for verb in VERBS:
        assert f" {verb} " in text


def test_the_list_of_verbs_reads_no_method(capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(methods, "names", None)  # reading all methods takes longer than all else
        assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{verb} " in listed for verb in VERBS)
    assert "judge" in listed.lower() and "[]" not in listed


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(capsys, verb):
    assert f"Usage: selftaught {verb}" in helped(capsys, verb)


@pytest.mark.parametrize("method", methods.names())
def test_every_argument_of_a_method_is_listed_with_its_text_and_default(capsys, method):
    text = helped(capsys, "pretrain", method)
    for argument in methods.describe(method).arguments:
        shared = argument.name in options.SHARED
        assert f"--{'method.' if shared else ''}{argument.name.replace('_', '-')} " in text
        assert " ".join(argument.doc.split()[:4]) in text
        if isinstance(argument.default, int | float | str) and argument.default != "":  # nothing is shown for nothing
            assert f"[default: {argument.default}]" in text


def test_the_flags_that_never_change(capsys):
    text = helped(capsys, "pretrain", "simclr")
    for flag in (*options.SHARED, "out", "encoder", "limit", "init", "config", "size"):
        assert f" --{flag.replace('_', '-')} " in text


def test_the_encoder_and_the_methods_own_recipe_are_shown(capsys):
    text = helped(capsys, "pretrain", "simclr", "digits", "--encoder", "resnet18")
    assert "--encoder.stem CHOICE" in text
    assert "--encoder.depth" not in text  # conv's
    own = methods.describe("rotation").recipe
    assert own
    text = helped(capsys, "pretrain", "rotation")
    for name, value in own.items():
        assert f"--{name.replace('_', '-')} " in text
        assert f"[default: {value}]" in text
