"""The verb that lets language models write: generate."""

from __future__ import annotations

import sys
from pathlib import Path

from selftaught.cli.output import Json, show, show_json


def generate(
    run: Path,
    prompt: str = "",
    /,
    *,
    length: int = 100,
    n: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    json_: Json = False,
) -> None:
    """Write text with a language model: 'selftaught generate RUN "once upon a time"'.

    A run that was fine-tuned for seq2seq takes a source and draws what belongs to it, such as its translation; the best
    one is found by 'selftaught predict'.

    Args:
        run: The run folder of a language model.
        prompt: Text to continue; without it, the model begins a new one. Of a run for seq2seq the source.
        length: How many tokens to write, at most. The text can end earlier.
        n: How many samples to write, with the seeds SEED, SEED + 1, ...
        temperature: Below 1 prefers probable tokens, above 1 improbable ones; 0 takes the most probable one.
        top_k: Draw from the K most probable tokens only; 0 draws from all.
        top_p: Draw from the fewest most probable tokens that have this probability together.
        seed: Seed of the draws.
    """
    from selftaught import ask

    texts = ask.generate(run, prompt, length, n=n, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    if json_:
        show_json([{"prompt": prompt, "text": "".join(text), "seed": seed + i} for i, text in enumerate(texts)])
        return
    before = "" if ask.rewrites(run) else prompt
    for number, text in enumerate(texts):
        if number:
            show("---")
        sys.stdout.write(before)
        for piece in text:
            sys.stdout.write(piece)
            sys.stdout.flush()
        show("")
