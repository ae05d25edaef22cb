"""A run that fine-tuning left: its method from its weights alone."""

from __future__ import annotations

import safetensors.torch

from selftaught.config import tasks
from selftaught.errors import UserError
from selftaught.evaluate.tuning import Tuning
from selftaught.method import Encoder, Method
from selftaught.run import RunFolder


def task_of(folder: RunFolder) -> Tuning | None:
    """Return the task that a run was fine-tuned for, with its options; None for other runs."""
    found = folder.config.get("finetune")
    return tasks.build(found["task"], found["options"]) if found else None


def restored(folder: RunFolder, encoder: Encoder) -> Method | None:
    """Return the method of a fine-tuned run around its encoder, in eval mode; None for other runs.

    Raises UserError if its weights cannot be read.
    """
    if (task := task_of(folder)) is None:
        return None
    setting = folder.config["finetune"].get("setting", {})
    file = folder.path / "method.safetensors"
    try:
        tensors = safetensors.torch.load_file(file)
        method = task.restored(encoder, tensors, setting)
        method.load_state_dict(tensors)
    except (OSError, RuntimeError, KeyError, safetensors.SafetensorError) as error:
        raise UserError(f"{file} cannot be read: fine-tune again with --resume --out {folder.path}") from error
    return method.eval()
