"""A run that fine-tuning left: its method from its weights alone."""

from __future__ import annotations

import safetensors.torch

from selftaught.config import tasks
from selftaught.errors import UserError
from selftaught.method import Encoder, Method
from selftaught.run import RunFolder


def restored(folder: RunFolder, encoder: Encoder) -> Method | None:
    """Return the method of a fine-tuned run around its encoder, in eval mode; None for other runs.

    Raises UserError if its weights cannot be read.
    """
    found = folder.config.get("finetune")
    if not found:
        return None
    file = folder.path / "method.safetensors"
    try:
        tensors = safetensors.torch.load_file(file)
        task = tasks.build(found["task"], found["options"])
        method = task.restored(encoder, tensors, found.get("setting", {}))
        method.load_state_dict(tensors)
    except (OSError, RuntimeError, KeyError, safetensors.SafetensorError) as error:
        raise UserError(f"{file} cannot be read: fine-tune again with --resume --out {folder.path}") from error
    return method.eval()
