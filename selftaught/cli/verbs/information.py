"""The verb that estimates what features keep: information."""

from __future__ import annotations

from pathlib import Path

from selftaught.cli.output import Json, remark, show, show_json, table


def information(
    run: Path, data: str | None = None, /, *, seed: int = 0, pairs: int = 4000, groups: str | None = None,
    json_: Json = False,
) -> None:  # fmt: skip
    """Estimate how many bits the features of one view keep about another view of the same sample.

    The views are random for images, and the two halves of a text. Beside the run's encoder stand the same encoder
    untrained and the raw views. All numbers but the last two are lower bounds of the mutual information, from held-out
    samples: info_nce, dv (Donsker and Varadhan) and nwj (Nguyen, Wainwright and Jordan). jsd is the bound of another
    divergence, of 2 bits at most. found says how often the other view of a sample has the highest score.

    Args:
        run: The run folder, or an encoder.safetensors.
        data: The samples; by default those that it was trained on. Labels are not used.
        seed: Of the draws, the views and the critics.
        pairs: Number of pairs of views that the critics are fitted on.
        groups: Which samples stay on one side of a split, such as the frames of one video: a column, a file with the
            group of each sample, or a regular expression for the paths. By default those of the run for its own data.
    """
    from selftaught import ask

    found = ask.information(run, data, seed=seed, pairs=pairs, groups=groups, say=remark)
    if json_:
        show_json(found)
        return
    names = {"info_nce": "info_nce", "donsker_varadhan": "dv", "nwj": "nwj", "jensen_shannon": "jsd"}
    rows = [
        {"bits": side}
        | {short: f"{row[name]:.2f}" for name, short in names.items()}
        | {"found %": f"{row['found']:.1f}"}
        for side, row in found["sides"].items()
    ]
    table(rows, left=("bits",))
    show(
        f"\n{found['pairs']:,} pairs to fit, {found['tested']:,} others to judge; no estimate can be much above "
        f"{found['cap']:.1f} bits, and chance finds {found['chance']:.1f}%"
    )
