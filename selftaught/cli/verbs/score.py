"""The verb that asks language models: score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftaught.cli.output import Json, remark, show, show_json, table
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.evaluate.language import Scored


def score(
    run: Path,
    /,
    *sentences: str,
    file: Path | None = None,
    tokens: bool = False,
    per_token: bool = False,
    perplexity: bool = False,
    column: str | None = None,
    json_: Json = False,
) -> None:
    """Rank sentences by how probable a language model finds them: 'selftaught score RUN "a sentence" "another"'.

    A model that looks both ways (bert) gives each token's log P given all others, and their sum.

    Args:
        run: The run folder of a language model, or an ARPA file of n-grams.
        sentences: Sentences to score.
        file: A text file with one sentence a line, scored as well.
        tokens: Show log P of each token given those before it.
        per_token: Rank by log P per token, which long sentences do not lose by.
        perplexity: Show the perplexity of the file (and of the sentences) instead.
        column: With --perplexity, the column of the texts in a table.
    """
    from selftaught import ask

    if perplexity:
        options: dict[str, Any] = {} if column is None else {"column": column}
        _perplexity(ask.perplexity(run, _data(run, sentences, file), **options), json_)
        return
    if column is not None:
        raise UserError("--column has no effect without --perplexity: remove it")
    found = ask.score(run, [*sentences, *(_lines(file) if file is not None else [])], per_token=per_token)
    if json_:
        show_json([_entry(scored, tokens) for scored in found])
        return
    rows = [{"log P": f"{s.log_probability:.2f}", "per token": f"{s.per_token:.2f}", "sentence": s.text} for s in found]
    if tokens:
        mark = {word: " (unknown)" for scored in found for word in scored.unknown}
        for row, scored in zip(rows, found, strict=True):
            show("  ".join(row.values()))
            table(
                [{"log P": f"{p:.2f}", "token": token + mark.get(token, "")} for token, p in scored.tokens],
                left=("token",),
            )
    else:
        table(rows, left=("sentence",))
    unknown = Counter(word for scored in found for word in scored.unknown)
    if unknown:
        named = ", ".join(list(unknown)[:10]) + (", ..." if len(unknown) > 10 else "")
        remark(f"unknown to the model, which gives all such words one probability together: {named}")


def _data(run: Path, sentences: tuple[str, ...], file: Path | None) -> Any:
    if file is None and not sentences:
        raise UserError(f"no text is given: 'selftaught score {run} --file FILE --perplexity'")
    if file is None:
        return list(sentences)
    return [*sentences, *_lines(file)] if sentences else file


def _perplexity(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show_json(found)
        return
    rows = {
        "perplexity": f"{found['perplexity']:,.2f}",
        "perplexity without unknown words": f"{found['perplexity_known']:,.2f}",
        "tokens, with the ends of sentences": f"{found['tokens']:,}",
        "sentences": f"{found['sentences']:,}",
        "unknown words": f"{found['unknown_tokens']:,} ({100 * found['unknown']:.2f}%)",
    } | ({"skipped, because they could not be read": f"{found['skipped']:,}"} if found["skipped"] else {})
    table([{"": name, "value": value} for name, value in rows.items()], left=("",))


def _entry(scored: Scored, tokens: bool) -> dict[str, object]:
    entry: dict[str, object] = {
        "sentence": scored.text,
        "log_probability": scored.log_probability,
        "per_token": scored.per_token,
    }
    entry["unknown"] = list(scored.unknown)
    return entry | (
        {"tokens": [{"token": token, "log_probability": p} for token, p in scored.tokens]} if tokens else {}
    )


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(line.decode("utf-8").strip())
        except UnicodeDecodeError as error:
            raise UserError(f"{file}, line {number}, is not UTF-8: save it as UTF-8 text") from error
    return [line for line in found if line]
