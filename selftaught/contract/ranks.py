"""Two processes that meet over gloo once and then answer as often as they are asked."""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import traceback
from pathlib import Path
from typing import Any, final


def _serve(rank: int, world: int, meeting: str, pipe: multiprocessing.connection.Connection) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    from selftaught.device import leave, meet

    meet(rank, world, meeting)
    while (task := pipe.recv()) is not None:
        module, function, arguments = task
        try:
            pipe.send((True, getattr(importlib.import_module(module), function)(**arguments)))
        except BaseException:
            pipe.send((False, traceback.format_exc()))
    leave()


@final
class Ranks:
    """Calls a function of a module on every rank and returns their results in rank order.

    Args:
        folder: Where they meet; must be empty.
        world: How many.
    """

    def __init__(self, folder: Path, world: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for rank in range(world):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(rank, world, str(folder / "meeting"), theirs), daemon=True)
            process.start()
            self.pipes.append(mine)
            self.processes.append(process)

    def call(self, module: str, function: str, **arguments: Any) -> list[Any]:
        """What the function returns on each rank. Raises AssertionError, with the traceback, when it fails on one."""
        for pipe in self.pipes:
            pipe.send((module, function, arguments))
        answers = [pipe.recv() for pipe in self.pipes]
        failed = [text for ok, text in answers if not ok]
        assert not failed, "\n".join(failed)
        return [value for _, value in answers]

    def close(self) -> None:
        """End them."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(20)
