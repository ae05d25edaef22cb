"""One language model trained or generating in a separate process, for `benchmarks.language`.

    python -m benchmarks.language_process '{"tool": "selftaught", "model": "gpt", ...}'

The last line of stdout is JSON. Both tools train in the same loop, with torch's AdamW, on the same number of tokens:
they differ in the network and its loss alone. "memory" is in megabytes, between the memory after the imports and
the peak of resident memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.taken import Taken

Task = dict[str, Any]
WARM = 2
"""Steps that are not measured."""
BATCHES = 20
"""Batches that are built to time one."""


def text(task: Task) -> Any:
    """A random text in which each of the words of the vocabulary occurs, more of them than are read."""
    from selftaught.data.text.corpus import Corpus

    generator = torch.Generator().manual_seed(0)
    words, length = task["vocabulary"], 20
    ids = torch.randint(words, (max(8 * task["batch"] * task["context"], 4 * words),), generator=generator)
    ids[:words] = torch.arange(words)
    lines = [" ".join(f"w{i}" for i in some.tolist()) for some in ids.split(length)]
    return Corpus.of(["\n".join(lines[i : i + 10]) for i in range(0, len(lines), 10)])


def ours(task: Task) -> tuple[nn.Module, Callable[[int], Tensor], Callable[[int], Tensor], Callable[[int], Any]]:
    """Return our method, its loss on a batch, that of the body alone, and what builds a batch."""
    import numpy as np

    from selftaught import encoders, methods

    source = text(task)
    names = {"gpt": "causal_transformer", "bert": "transformer"}
    shape = {key: task[key] for key in ("width", "depth", "heads", "context")}
    encoder = encoders.build(names[task["model"]], source.input(), min_count=1, **shape)
    method = methods.load(task["model"], "text")(encoder)
    bound = method.views.bind(source)
    method.prepare(bound)

    def batch(step: int) -> Any:
        index = (np.arange(task["batch"]) + step * task["batch"]) % len(bound)
        return method.views.apply(bound.fetch(index), method.views.sample(index, step, 0), torch.device("cpu"))

    made = batch(0)

    def body(step: int) -> Tensor:
        ids = made["tokens"][:, : task["context"]]
        return encoder.hidden(ids)[-1].square().mean()  # type: ignore[no-any-return, operator]

    return method, lambda step: method(**made)["loss"], body, batch


def theirs(task: Task) -> tuple[nn.Module, Callable[[int], Tensor]]:
    """Return the model of transformers and its loss on a batch."""
    import transformers as tool

    ids = torch.randint(
        task["vocabulary"], (task["batch"], task["context"]), generator=torch.Generator().manual_seed(0)
    )
    width, depth, heads, context = (task[key] for key in ("width", "depth", "heads", "context"))
    if task["model"] == "gpt":
        config = tool.GPT2Config(
            vocab_size=task["vocabulary"], n_positions=context, n_embd=width, n_layer=depth, n_head=heads,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )  # fmt: skip
        model = tool.GPT2LMHeadModel(config)
        return model, lambda step: model(input_ids=ids, labels=ids).loss
    config = tool.BertConfig(
        vocab_size=task["vocabulary"], max_position_embeddings=context, hidden_size=width, num_hidden_layers=depth,
        num_attention_heads=heads, intermediate_size=4 * width, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = tool.BertForPreTraining(config)
    hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(1)) < 0.15
    labels, follows = ids.where(hidden, -100), torch.zeros(len(ids), dtype=torch.long)
    there = torch.ones_like(ids)
    return (
        model,
        lambda step: model(input_ids=ids, attention_mask=there, labels=labels, next_sentence_label=follows).loss,
    )


def steps(model: nn.Module, loss: Callable[[int], Tensor], count: int) -> dict[str, Any]:
    """Return the median seconds of a step, by the wall and the processor."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    wall, cpu = [], []
    for step in range(WARM + count):
        began = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        loss(step).backward()
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
        optimizer.step()
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    return {"step": [median(wall[WARM:]), median(cpu[WARM:])]}


def train(task: Task) -> dict[str, Any]:
    """Time steps of training. Ours has the time of the body alone as well, and of building a batch."""
    if task["tool"] == "transformers":
        import transformers  # noqa: F401  before memory is measured

        taken = Taken()
        model, loss = theirs(task)
        return steps(model, loss, task["steps"]) | {"memory": taken.memory()}
    if task["tool"] == "body":
        method, _, body, _ = ours(task)
        return steps(method, body, task["steps"])
    ours(task | {"batch": 2, "context": 8, "vocabulary": 100})[3](0)  # imports and compiles, before memory is measured
    taken = Taken()
    method, loss, _, batch = ours(task)
    found = steps(method, loss, task["steps"]) | {"memory": taken.memory()}
    began = time.perf_counter()
    for step in range(BATCHES):
        batch(step)
    return found | {"batch": (time.perf_counter() - began) / BATCHES}


def generate(task: Task) -> dict[str, Any]:
    """Time `length` tokens, greedily, and of the first and the last tenth of them: milliseconds a token."""
    clocks: list[float] = []
    if task["tool"] == "transformers":
        from transformers import GenerationConfig

        model, _ = theirs(task | {"model": "gpt"})
        model.eval()

        class Clock:
            """Called with each new token, and once with the prompt."""

            def put(self, value: Tensor) -> None:
                clocks.append(time.perf_counter())

            def end(self) -> None:
                pass

        how = GenerationConfig(
            max_new_tokens=task["length"],
            min_new_tokens=task["length"],
            do_sample=False,
            pad_token_id=0,
            bos_token_id=0,
        )
        model.generate(torch.zeros(1, 1, dtype=torch.long), generation_config=how, streamer=Clock())  # type: ignore[operator]
        clocks = clocks[1:]
    else:
        method: Any = ours(task | {"model": "gpt"})[0].eval()
        with torch.no_grad():  # an untrained network names the symbol that it has just read: not the start, which ends
            method.encoder.token.weight[-1].zero_()
        for _ in method.generate("w0", task["length"], 0, top_k=1):
            clocks.append(time.perf_counter())
    each = torch.tensor(clocks, dtype=torch.float64).diff() * 1000
    tenth = max(1, len(each) // 10)
    return {name: round(float(some.median()), 3) for name, some in
            (("all", each), ("first", each[:tenth]), ("last", each[-tenth:]))}  # fmt: skip


def main() -> None:
    """Do the task of the command line."""
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    print(json.dumps({"train": train, "generate": generate}[task["do"]](task)))


if __name__ == "__main__":
    main()
