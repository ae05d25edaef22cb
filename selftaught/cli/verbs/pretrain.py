"""The verb that trains: pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from selftaught.cli.ending import ended
from selftaught.cli.output import SWITCH
from selftaught.cli.signature import RUN
from selftaught.config import Layer, read


def pretrain(
    method: str | None = None,
    data: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(group=RUN)] = None,
    resume: Annotated[bool, Parameter(group=RUN, **SWITCH)] = False,
    encoder: Annotated[str | None, Parameter(group=RUN)] = None,
    config: Annotated[Path | None, Parameter(group=RUN)] = None,
    json_: Annotated[bool, Parameter(name="--json", group=RUN, **SWITCH)] = False,
    flags: dict[str, Any],
) -> int:
    """Train an encoder on unlabelled data.

    Every option can also be written with its section, as in YAML: --method.temperature 0.1, --recipe.clip 1,
    --encoder.width 64. 'selftaught pretrain METHOD --help' lists the method's own. Without --steps, --epochs or
    --minutes a run takes 1.5 minutes.

    Args:
        method: Name of the method ('selftaught methods' lists them), or a .py file that holds one of your own.
        data: Name of a data set ('selftaught data' lists them), a folder or a file.
        out: The run folder. By default runs/METHOD-DATA, with the next free number.
        resume: Continue the run at --out if there is one.
        encoder: The network that is trained: {encoders}. By default {network}, or what --init had.
        config: YAML with the sections of a run's config.yaml. A flag beats the file.
        json_: Print the summary as JSON.
        flags: Every other option by dotted key; made from signatures.
    """
    from selftaught import pretraining
    from selftaught.pretraining.progress import Watch

    said = {"method.name": method, "data.source": data, "encoder.name": encoder}
    layers = [Layer.of({key: value for key, value in {**flags, **said}.items() if value is not None})]
    if config is not None:
        layers.append(read(config))
    return ended(pretraining.run(*layers, out=out, again=resume, watch=Watch()), json_)
