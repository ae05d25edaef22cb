"""Contrastive learning as dictionary look-up, with keys from the batch, a bank or a queue."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Method, Outputs, Source, Terms
from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather
from selftaught.parts.heads import projection
from selftaught.parts.info_nce import info_nce
from selftaught.parts.keys import BankKeys, BatchKeys, Keys, QueueKeys
from selftaught.views.image import Augment, ImageViews, plain


@final
class Dictionary(Method):
    """Contrastive learning with negatives from the batch, a memory bank or a momentum queue.

    He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), "Momentum Contrast for Unsupervised Visual Representation
    Learning", section 3 and figures 2 and 3. A query looks up its key in a dictionary. All three variants have the same
    loss and differ in the source and number of keys. End to end, the keys are those of the batch; a memory bank (Wu et
    al., CVPR 2018) stores a feature of each sample; a queue holds keys of recent batches from a momentum encoder.

    With q the query, k+ its key, and n_1 ... n_K the negatives, all of length 1::

        L = -log( exp(q.k+/t) / (exp(q.k+/t) + sum_i exp(q.n_i/t)) )

    ==========  ====================  ============  ========================  ==================
    keys        negatives             at most       age of a key, in steps    gradient into keys
    ==========  ====================  ============  ========================  ==================
    batch       others of the batch   batch - 1     0                         yes
    bank        rows of the bank      samples - 1   below 2 samples / batch   no
    queue       recent keys           any number    at most K / batch         no
    ==========  ====================  ============  ========================  ==================

    Shapes: query and key are [B, C, S, S] (the bank needs no key); q and k are [B, dim].

    The more negatives, the tighter the bound log(1 + K) - L on what two views share, but the more of them are false
    negatives: another image of the same object. K is therefore logged as "negatives" with every loss; "accuracy" is
    that of the (K + 1)-way choice; "collisions" is the fraction of drawn keys from the query's own sample, which are
    not used; "age" is the mean age of the keys.

    Defaults are those of `moco`, but with a shorter queue. ``keys="queue"`` has the loss and steps of `moco`.
    Departures: a sample's own keys in a bank, or in a queue that is longer than an epoch, are not negatives; one
    network makes queries and in-batch keys; held-out images, which have no row in a bank, are compared with their
    mirror images; rows start as the untrained features, because in a short run an encoder hardly recovers from one
    epoch of learning random rows; the default recipe is AdamW for a few minutes. Neither `negatives` hard nor
    `duplicates` 0.9 changes a probe by more than its spread in 45 s on CIFAR-10 (benchmarks/vision.py): few of a
    thousand keys are that close to a query's own.

    Args:
        keys: Source of the keys: the batch, a bank or a queue.
        k: Number of negatives K. 0 = all of the batch or the bank.
        negatives: random uses random keys of the dictionary; hard uses the K nearest of `pool` keys, as in Local
            Aggregation.
        pool: Number of keys in which hard negatives are found: keys drawn from the bank, or the length of the queue.
            For the batch, all its keys.
        duplicates: A negative whose cosine with the query's own key is above this value is treated as a duplicate and
            not used. 1 uses all.
        dim: Dimension of queries and keys.
        temperature: Temperature t, greater than 0. Tune it together with K.
        momentum: Momentum of the encoder that fills the queue, in [0, 1].
        bank_momentum: Momentum of a row of the bank, in [0, 1). 0 replaces the row.
        start: Initial rows of the bank: features of the untrained network, or random directions (Wu et al.).
        bank: Where the rows of the bank are stored: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast and saturation jitter.
        hue: Strength of the hue jitter, at most 0.5.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.

    Raises:
        UserError: An argument is out of range, or the dictionary cannot hold this many negatives.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 8}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "pool": {"negatives": ("hard",), "keys": ("bank", "queue")},
        "momentum": {"keys": ("queue",)},
        "bank_momentum": {"keys": ("bank",)},
        "start": {"keys": ("bank",)},
        "bank": {"keys": ("bank",)},
    }

    def __init__(
        self,
        encoder: Encoder,
        keys: Literal["batch", "bank", "queue"] = "queue",
        k: int = 1024,
        negatives: Literal["random", "hard"] = "random",
        pool: int = 4096,
        duplicates: float = 1.0,
        dim: int = 128,
        temperature: float = 0.1,
        momentum: float = 0.99,
        bank_momentum: float = 0.5,
        start: Literal["features", "random"] = "features",
        bank: str = "memory",
        crop: float = 0.2,
        jitter: float = 0.4,
        hue: float = 0.1,
        flip: float = 0.5,
        grey: float = 0.2,
    ) -> None:
        super().__init__()
        if keys not in ("batch", "bank", "queue"):
            raise UserError(f"keys of dictionary must be batch, bank or queue, not '{keys}'")
        if negatives not in ("random", "hard"):
            raise UserError(f"negatives of dictionary must be random or hard, not '{negatives}'")
        if k < 0 or (k == 0 and (keys == "queue" or negatives == "hard")):
            raise UserError(
                f"k of dictionary must be at least 1 (or 0 for all random keys of a batch or a bank), not {k}"
            )
        if negatives == "hard" and keys != "batch" and pool < k:
            raise UserError(f"pool of dictionary must be at least k ({k}), not {pool}")
        if start not in ("features", "random"):
            raise UserError(f"start of dictionary must be features or random, not '{start}'")
        if not -1 < duplicates <= 1:
            raise UserError(f"duplicates of dictionary must be a cosine in (-1, 1], not {duplicates}")
        if temperature <= 0:
            raise UserError(f"temperature of dictionary must be greater than 0, not {temperature}")
        if not 0 <= momentum <= 1:
            raise UserError(f"momentum of dictionary must be in [0, 1], not {momentum}")
        self.encoder = encoder
        self.head = projection(encoder.dim, encoder.dim, dim, depth=1, norm=False)
        self.kind, self.k, self.hard, self.duplicates, self.temperature = (
            keys,
            k,
            negatives == "hard",
            duplicates,
            temperature,
        )
        self.dim, self.bank_momentum, self.start, self.store = dim, bank_momentum, start, bank
        self.together = 2 if keys == "batch" else 1
        self.size = pool if self.hard else k  # number of keys in a step
        self.keys: Keys
        if keys == "batch":
            self.keys = BatchKeys()
        elif keys == "queue":
            self.keys = QueueKeys(self.tower(), self.size, dim, momentum)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, hue), jitter_p=0.8, grey=grey)
        shown = {"query": augment} if keys == "bank" else {"query": augment, "key": augment}
        self.views = ImageViews(encoder.spec["input"], **shown)

    def prepare(self, source: Source) -> None:
        """Create the bank, with a random row for each sample, if keys come from a bank."""
        if self.kind == "bank":
            if self.size > len(source):
                raise UserError(
                    f"a bank of {len(source)} samples has fewer than {self.size} keys: use a smaller k and pool"
                )
            self.keys = BankKeys(Bank(len(source), self.dim, self.bank_momentum, self.store), self.size)

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Before the first epoch, set every row of a bank to the feature of the plain image."""
        if clock.epoch == 0 and self.start == "features" and isinstance(self.keys, BankKeys):
            self.keys.bank.fill(self.head, embed.parts(plain(self.encoder.spec["input"])))

    def tower(self) -> nn.Sequential:
        """Return the network from views to features, [B, C, S, S] to [B, dim]."""
        return nn.Sequential(self.encoder, self.head)

    def terms(self) -> Terms:
        """Return the only term. Keys of the batch move the network too, but come from shuffled copies of the views."""
        return {"loss": ("encoder", "head", "query")}

    def forward(self, query: Tensor, index: Tensor, clock: Clock, key: Tensor | None = None, **_: Any) -> Outputs:
        """Return the contrastive loss, and "queries" and "own_keys" [B, dim] and "samples" [B] for `after_step`."""
        q = F.normalize(self.tower()(query), dim=1)  # [B, dim]
        view = query.flip(-1) if key is None else key
        found = self.keys.find(self.tower(), view, index, clock.seed, clock.step)
        positive, scores = (q * found.positive).sum(1), q @ found.others.T  # [B], [B, M]
        out = info_nce(positive, self.chosen(scores, found.positive, found.others, found.own), self.temperature)
        if self.training:  # held-out samples have no stored keys
            out["collisions"] = torch.zeros(()) if self.kind == "batch" else found.own.float().mean()
            out["age"] = found.age.float().mean()
        return {**out, "queries": q, "own_keys": found.positive, "samples": index}

    def chosen(self, scores: Tensor, positive: Tensor, others: Tensor, own: Tensor) -> Tensor:
        """Return the scores of the selected negatives, [B, K] or [B, M], from all scores [B, M].

        Excluded negatives have the score -inf.
        """
        out = own
        if self.duplicates < 1:
            out = out | (positive.detach() @ others.detach().T > self.duplicates)
        if self.kind == "batch":
            m = scores.shape[1]
            if self.k > m - 1:
                raise UserError(
                    f"a batch of {m} has {m - 1} negatives, not {self.k}: use a smaller k or a larger --batch-size"
                )
            if self.k and not self.hard:  # the next k samples of the batch, which is in random order
                place = torch.arange(m, device=own.device)
                out = out | ((place - own.float().argmax(1)[:, None]) % m > self.k)
        scores = scores.masked_fill(out, -torch.inf)
        return scores.topk(self.k, dim=1).values if self.hard else scores

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the bank or the queue with the batch, and the momentum encoder."""
        samples, queries, keys = (gather(outputs[name]) for name in ("samples", "queries", "own_keys"))
        self.keys.update(self.tower(), samples, queries, keys, clock.step)
