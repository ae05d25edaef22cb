"""The verb that writes features: embed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from selftaught.cli.output import SWITCH, remark, show
from selftaught.kind import Split

NAMED = 3
"""Samples that could not be read of which the reason is said."""


def embed(
    run: Path,
    data: str,
    /,
    *,
    out: Path,
    split: Split = "all",
    limit: int | None = None,
    column: str | None = None,
    label_column: str | None = None,
    batch_size: int = 128,
    layer: int | None = None,
    local: Annotated[bool, Parameter(**SWITCH)] = False,
) -> None:
    """Write the encoder's features of data to a file.

    Args:
        run: The run folder, or an encoder.safetensors.
        data: A data set, a folder or a file.
        out: FILE.npy, with the samples' names, labels and classes in FILE.names.csv; or FILE.parquet or
            FILE.safetensors, which have them inside.
        split: Part of the data.
        limit: Only N samples, drawn from all classes alike.
        column: The column of the texts or images, if the data are tables.
        label_column: The column of the labels.
        batch_size: Samples at a time.
        layer: Features of this layer instead of the encoder's output: 0 is the first, -1 the last.
        local: Keep the positions: channels and rows and columns of an image, channels and words of a text. FILE.npy or
            .safetensors.
    """
    import numpy as np

    from selftaught import pretraining
    from selftaught.data.told import opening
    from selftaught.export import features as files

    files.check(out, local)
    loaded = pretraining.load(run)
    source = loaded.open(data, split, limit, column=column, label_column=label_column)
    remark(opening(data, source))
    features = loaded.embed(source, batch_size=batch_size, layer=layer, local=local)
    files.write(out, features, source.labels, source.names(np.arange(len(source))), source.classes)
    shape = " x ".join(f"{size:,}" for size in features.shape)
    names = f", and the names of the {source.samples} in {files.beside(out)}" if out.suffix == ".npy" else ""
    show(f"{shape} features are in {out}{names}")
    if source.skipped:
        told = "; ".join(f"{one['path']}: {one['reason']}" for one in source.skipped[:NAMED])
        more = f"; and {len(source.skipped) - NAMED:,} more" if len(source.skipped) > NAMED else ""
        remark(f"{len(source.skipped):,} of the {source.samples} could not be read: no row ({told}{more})")
