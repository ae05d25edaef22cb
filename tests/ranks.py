"""One pair of real processes that meet over gloo once and then serve every two-rank test of the session."""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import traceback
from pathlib import Path
from typing import Any


def _serve(rank: int, world: int, meeting: str, pipe: multiprocessing.connection.Connection) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    while (task := pipe.recv()) is not None:
        module, function, arguments = task
        try:
            pipe.send((True, getattr(importlib.import_module(module), function)(**arguments)))
        except BaseException:
            pipe.send((False, traceback.format_exc()))
    dist.destroy_process_group()


class Ranks:
    """Calls a function of a module on every rank and returns their results in rank order."""

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
        for pipe in self.pipes:
            pipe.send((module, function, arguments))
        answers = [pipe.recv() for pipe in self.pipes]
        failed = [text for ok, text in answers if not ok]
        assert not failed, "\n".join(failed)
        return [value for _, value in answers]

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(20)
