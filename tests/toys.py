"""Small sources and methods that use every hook of the contract, so that the loop is tested apart from any paper."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selftaught.data.image.toy import Blobs
from selftaught.data.text.toy import text
from selftaught.encoders.lookup import Lookup
from selftaught.method import (
    Batch,
    Clock,
    Compiled,
    Embed,
    Encoder,
    Index,
    Method,
    Outputs,
    Params,
    Player,
    Raw,
    Source,
    Views,
)
from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather
from selftaught.parts.norm import BatchNorm1d
from selftaught.views.text import plain

__all__ = [
    "Banked",
    "Blobs",
    "Clean",
    "Clusters",
    "Counted",
    "Dense",
    "Game",
    "Memory",
    "Noisy",
    "Plain",
    "Streams",
    "build",
    "counted",
    "text",
]


@final
class Noisy(Views):
    """The flattened picture and a copy with noise of its own."""

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        noise = [
            np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, int(i)])).normal(size=256)
            for i in index
        ]
        return {"noise": np.asarray(noise, dtype=np.float32)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        x = torch.from_numpy(raw["image"].reshape(len(raw["image"]), -1)).to(device).float() / 255
        noisy = x + 0.1 * torch.from_numpy(params["noise"]).to(device)
        return {
            "image": x,
            "noisy": noisy,
            "index": torch.from_numpy(raw["index"]),
            "label": torch.from_numpy(raw["label"]),
        }


@final
class Clean(Views):
    """The flattened picture alone: what the encoder takes."""

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        return {"image": torch.from_numpy(raw["image"].reshape(len(raw["image"]), -1)).to(device).float() / 255}


@final
class Dense(Encoder):
    """256 -> 16 -> 8 with batch norm."""

    dim = 8

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec = {"name": "dense", "input": {"kind": "vector", "size": 256}}
        self.body = nn.Sequential(nn.Linear(256, 16), BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 8))

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        return [self.body[:3](x), self.body(x)]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


@final
class Plain(Method):
    """One player: rebuild the clean picture."""

    def __init__(self, encoder: Encoder, scale: float = 1.0) -> None:
        super().__init__()
        self.encoder, self.views = encoder, Noisy()
        self.decoder = nn.Linear(8, 256)
        self.scale = scale

    def forward(self, *, player: str, clock: Clock, image: Tensor, noisy: Tensor, **_: Any) -> Outputs:
        return {"loss": self.scale * F.mse_loss(self.decoder(self.encoder(noisy)), image)}


@final
class Game(Method):
    """Two players: a critic (two turns) tells codes from Gaussian noise; the encoder rebuilds and fools it."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.views = encoder, Noisy()
        self.decoder = nn.Linear(8, 256)
        self.critic = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
        self.register_buffer("rounds", torch.zeros((), dtype=torch.long))

    def players(self) -> list[Player]:
        own = [*self.encoder.parameters(), *self.decoder.parameters()]
        return [
            Player("encoder", [{"params": own}]),
            Player("critic", [{"params": self.critic.parameters(), "lr_scale": 0.5}], turns=2),
        ]

    def forward(self, *, player: str, clock: Clock, image: Tensor, noisy: Tensor, index: Tensor, **_: Any) -> Outputs:
        code = self.encoder(noisy)
        if player == "encoder":
            return {
                "loss": F.mse_loss(self.decoder(code), image) + 0.1 * F.softplus(-self.critic(code)).mean(),
                "codes": code.detach(),
            }
        # "noise" that is a function of the sample
        real = torch.sin(index[:, None] * torch.arange(1, 9)).float().to(code)
        return {"loss": (F.softplus(-self.critic(real)) + F.softplus(self.critic(code.detach()))).mean()}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        self.rounds += gather(outputs["codes"]).shape[0]


@final
class Clusters(Method):
    """Re-clusters before every epoch, visits clusters uniformly, and forgets its head's optimiser state each time."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.views = encoder, Noisy()
        self.head = nn.Linear(8, 2)

    def prepare(self, source: Source) -> None:
        self.register_buffer("assigned", torch.zeros(len(source), dtype=torch.long))

    def order(self, epoch: int, seed: int, n: int) -> Index:
        rng = np.random.Generator(np.random.Philox(key=[seed, epoch]))
        members = [np.flatnonzero(self.assigned.numpy() == c) for c in range(2)]
        return np.stack([rng.choice(m, n // 2) for m in members if len(m)], 1).reshape(-1)

    def players(self) -> list[Player]:
        return [
            Player(
                "main",
                [{"params": self.encoder.parameters()}, {"params": self.head.parameters(), "schedule": "constant"}],
            )
        ]

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        codes = embed(Clean(), None)  # [N, 8]
        self.assigned.copy_((codes[:, 0] > codes[:, 0].median()).long())
        clock.reset("main")

    def forward(self, *, player: str, clock: Clock, noisy: Tensor, index: Tensor, **_: Any) -> Outputs:
        target = self.assigned[index]
        logits = self.head(self.encoder(noisy))
        return {
            "loss": F.cross_entropy(logits, target),
            "accuracy": (logits.argmax(1) == target).float().mean(),
            "chance": 0.5,
        }


@final
class Memory(Method):
    """A bank, a queue and a momentum copy, all written in after_step alone."""

    def __init__(self, encoder: Encoder, size: int = 64) -> None:
        super().__init__()
        self.encoder, self.views = encoder, Noisy()
        self.teacher = Dense()
        self.teacher.load_state_dict(encoder.state_dict(), strict=False)
        self.teacher.requires_grad_(False)
        self.register_buffer(
            "queue", F.normalize(torch.randn(size, 8, generator=torch.Generator().manual_seed(0)), dim=1)
        )
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def prepare(self, source: Source) -> None:
        self.register_buffer("bank", torch.zeros(len(source), 8))
        self.register_buffer("visits", torch.zeros(len(source), dtype=torch.long))

    def forward(self, *, player: str, clock: Clock, image: Tensor, noisy: Tensor, index: Tensor, **_: Any) -> Outputs:
        q = F.normalize(self.encoder(noisy), dim=1)
        with torch.no_grad():
            k = F.normalize(self.teacher(image), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.T], 1) / 0.2
        near = ((q - self.bank[index]) ** 2).sum(1).mean()
        loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long)) + 0.01 * near
        return {"loss": loss, "keys": k, "rows": q.detach(), "index": index}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        for mine, theirs in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            mine.lerp_(theirs, 0.1)
        keys, rows, index = gather(outputs["keys"]), gather(outputs["rows"]), gather(outputs["index"])
        at = (self.pushed + torch.arange(len(keys))) % len(self.queue)
        self.queue[at] = keys
        self.pushed += len(keys)
        self.bank[index] = rows
        self.visits[index] += 1


@final
class Banked(Method):
    """Features stay near those of the last visit, which a bank of some store remembers."""

    def __init__(self, encoder: Encoder, store: str = "memory") -> None:
        super().__init__()
        self.encoder, self.views, self.store = encoder, Noisy(), store

    def prepare(self, source: Source) -> None:
        self.bank = Bank(len(source), 8, store=self.store)

    def forward(self, *, player: str, clock: Clock, noisy: Tensor, index: Tensor, **_: Any) -> Outputs:
        rows = F.normalize(self.encoder(noisy), dim=1)
        return {"loss": self.bank.identify(rows, index, 1.0)["loss"], "rows": rows, "index": index}

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        self.bank.write(gather(outputs["index"]), gather(outputs["rows"]))


@final
class Streams(Method):
    """Half of every batch labelled, half not: two streams in one order."""

    def __init__(self, encoder: Encoder, labelled: int = 12) -> None:
        super().__init__()
        self.encoder, self.views, self.labelled = encoder, Noisy(), labelled
        self.head = nn.Linear(8, 4)

    def prepare(self, source: Source) -> None:
        self.register_buffer("known", torch.arange(len(source)) < self.labelled)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        rng = np.random.Generator(np.random.Philox(key=[seed, epoch]))
        without = rng.permutation(np.arange(self.labelled, n))
        return np.stack([rng.choice(self.labelled, len(without)), without], 1).reshape(-1)

    def forward(
        self, *, player: str, clock: Clock, image: Tensor, noisy: Tensor, label: Tensor, index: Tensor, **_: Any
    ) -> Outputs:
        known = self.known[index]
        logits = self.head(self.encoder(noisy))
        agree = F.mse_loss(logits, self.head(self.encoder(image)))
        return {"loss": F.cross_entropy(logits[known], label[known]) + agree, "labelled": known.float().mean()}


@final
class Counted(Compiled):
    """A compiled loop of its own: adds to each word's row what it counts of it, slice by slice."""

    sees, network, unit = ("text",), "lookup", "words"

    def __init__(self, encoder: Encoder, slices: int = 4, spoil: int = -1) -> None:
        super().__init__()
        self.encoder, self.views = encoder, plain(encoder.spec["input"])
        self.slices, self.spoil = slices, spoil
        self.register_buffer("counts", torch.zeros(len(encoder.words), dtype=torch.long))

    def prepare(self, source: Source) -> None:
        self.corpus = source

    def steps_in_epoch(self) -> int:
        return self.slices

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        ids = np.array_split(self.corpus.ids, self.slices)[start]
        noise = np.random.Generator(np.random.Philox(key=[clock.seed, clock.epoch], counter=[0, 0, 0, start])).normal()
        self.counts += torch.bincount(torch.from_numpy(ids.astype(np.int64)), minlength=len(self.counts))
        self.encoder.table.data += rate * noise
        return {"loss": float("nan") if clock.step == self.spoil else 1 / (1 + clock.step), "words": len(ids)}


TOYS = {"plain": Plain, "game": Game, "clusters": Clusters, "memory": Memory, "banked": Banked, "streams": Streams}


def build(name: str, seed: int = 0, **arguments: Any) -> Method:
    """A fresh toy with the weights of `seed`."""
    torch.manual_seed(seed)
    return TOYS[name](Dense(), **arguments)


def counted(seed: int = 0, **arguments: Any) -> Counted:
    """A fresh compiled toy for `text()`."""
    torch.manual_seed(seed)
    return Counted(Lookup(text().input(), dim=4, min_count=1), **arguments)
