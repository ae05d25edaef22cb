"""The benchmark of the price of codes: a point of the known population, and the figure."""

from __future__ import annotations

from benchmarks import co_training


def test_a_price_lowers_the_rate_of_a_known_population() -> None:
    free, dear = (co_training.known(beta, 0, 16, 250) for beta in (0.0, 0.4))
    assert free["information"] > 1.8 and dear["information"] > 1.4 and dear["rate"] < free["rate"] - 0.3


def test_rows_are_means_over_seeds_and_drawn() -> None:
    runs = [
        {"data": data, "beta": beta, "seed": seed, "rate": 3.0 - beta + seed, "information": 1.0}
        for data in ("population", "fashion-mnist")
        for beta in (0.0, 0.4)
        for seed in (0, 1)
    ]
    table = co_training.rows(runs)
    assert [(row["data"], row["beta"], row["rate"]["mean"]) for row in table] == [
        ("fashion-mnist", 0.0, 3.5), ("fashion-mnist", 0.4, 3.1), ("population", 0.0, 3.5), ("population", 0.4, 3.1),
    ]  # fmt: skip
    assert table[0]["rate"]["spread"] == 0.707 and table[0]["information"]["spread"] == 0
    assert table[1]["command"].startswith("selftaught pretrain deep_co_training fashion-mnist --beta 0.4")
    drawn = co_training.figure(table)
    for colour in co_training.COLOURS.values():
        assert drawn.count(f'fill="none" stroke="{colour}"') == 2
    assert ">population<" in drawn and "nan" not in drawn
