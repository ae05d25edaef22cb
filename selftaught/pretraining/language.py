"""The language model of a finished run, without the text that it learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import safetensors.torch
from safetensors import SafetensorError

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Method, Scores

if TYPE_CHECKING:
    from selftaught.pretraining.result import Run


def language_model(run: Run) -> Scores:
    """The method of a run, from its encoder.safetensors and method.safetensors alone, in eval mode.

    Raises UserError when the run is not finished, or its method gives sentences no probability.
    """
    config = run.config
    method = methods.load(config.method)
    if not issubclass(method, Scores):
        able = [name for name in methods.names("text") if issubclass(methods.load(name), Scores)]
        raise UserError(f"{config.method} gives sentences no probability: score a run of {' or '.join(able)}")
    model: Method = method(run.encoder, **config.method_arguments)
    file = run.path / "method.safetensors"
    try:
        model.load_state_dict(safetensors.torch.load_file(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: continue the run with 'selftaught resume {run.path}'") from error
    model.eval()
    assert isinstance(model, Scores)
    return model
