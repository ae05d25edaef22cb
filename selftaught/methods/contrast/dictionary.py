"""Contrast as dictionary look-up: keys from the batch, a bank or a queue."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Method, Outputs, Source
from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather
from selftaught.parts.heads import projection
from selftaught.parts.info_nce import info_nce
from selftaught.parts.keys import BankKeys, BatchKeys, Keys, QueueKeys
from selftaught.views.image import Augment, ImageViews, plain


@final
class Dictionary(Method):
    """One loss, three ways to keep the negatives: what is compared is where keys come from and how many there can be.

    He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), "Momentum Contrast for Unsupervised Visual Representation
    Learning", section 3 and figures 2 and 3. A query looks for its key in a dictionary. End to end, the keys are those
    of the batch; a memory bank (Wu et al., CVPR 2018) remembers each sample's feature; a queue holds keys that a slow
    copy of the encoder made of recent batches.

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

    The more negatives, the tighter the bound log(1 + K) - L on what two views share, and the more of them are false:
    another photograph of the same thing. So K is logged as "negatives" beside every loss; "accuracy" is that of the (K
    + 1)-way choice; "collisions" is the part of the drawn keys that came from the query's own sample, which are left
    out; "age" is the mean age of the keys.

    Defaults are those of `moco`, whose loss and steps ``keys="queue"`` has, with a shorter queue. Departures: own keys
    in a bank or in a queue that is longer than an epoch are no negatives; one network makes queries and in-batch keys;
    held-out images, which have no row in a bank, are looked for by their mirror images; rows start as the untrained
    features, because in the few epochs of a few minutes an encoder hardly recovers from one of learning random rows;
    the recipe is AdamW for a few minutes.

    Args:
        keys: Where keys come from: the batch, a bank or a queue.
        k: K, the number of negatives; 0 takes all that the batch or the bank has.
        negatives: random takes what the dictionary gives; hard takes the K nearest of `pool`, as in Local Aggregation.
        pool: Keys among which hard negatives are found: drawn from the bank, or the length of the queue; the batch
            gives all.
        duplicates: A negative whose cosine with the query's own key is above this is taken for a copy and left out; 1
            keeps all.
        dim: Width of queries and keys.
        temperature: t, greater than 0. Tune it with K.
        momentum: Of the slow copy that fills the queue, in [0, 1].
        bank_momentum: What a row of the bank keeps of its past, in [0, 1).
        start: The bank's rows begin as the untrained network's features, or as random directions (Wu et al.).
        bank: Where the bank's rows are kept: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE.
        crop: Smallest part of the image's area that a crop takes.
        jitter: Of brightness, contrast and saturation.
        hue: Jitter of the hue, at most 0.5.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.

    Raises:
        UserError: A value out of range, or more negatives than the dictionary can hold.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 8}
    sees = ("image",)

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
            raise UserError(f"k of dictionary must be at least 1 (0: all of a batch or a bank, not hard), not {k}")
        if negatives == "hard" and keys != "batch" and pool < k:
            raise UserError(f"pool of dictionary must be at least k, {k}, to choose from, not {pool}")
        if start not in ("features", "random"):
            raise UserError(f"start of dictionary must be features or random, not '{start}'")
        if not -1 < duplicates <= 1:
            raise UserError(f"duplicates of dictionary is a cosine in (-1, 1], not {duplicates}")
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
        self.size = pool if self.hard else k  # keys that a step sees
        self.keys: Keys
        if keys == "batch":
            self.keys = BatchKeys()
        elif keys == "queue":
            self.keys = QueueKeys(self.tower(), self.size, dim, momentum)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, hue), jitter_p=0.8, grey=grey)
        shown = {"query": augment} if keys == "bank" else {"query": augment, "key": augment}
        self.views = ImageViews(encoder.spec["input"], **shown)

    def prepare(self, source: Source) -> None:
        """A bank with a random row for each sample, where keys come from one."""
        if self.kind == "bank":
            if self.size > len(source):
                raise UserError(
                    f"a bank of {len(source)} samples cannot give {self.size} keys: use a smaller k and pool"
                )
            self.keys = BankKeys(Bank(len(source), self.dim, self.bank_momentum, self.store), self.size)

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Before the first, every row of a bank becomes what the network makes of the plain image."""
        if clock.epoch == 0 and self.start == "features" and isinstance(self.keys, BankKeys):
            self.keys.bank.fill(self.head, embed(plain(self.encoder.spec["input"]), None))

    def tower(self) -> nn.Sequential:
        """Views to features, [B, C, S, S] to [B, dim]."""
        return nn.Sequential(self.encoder, self.head)

    def forward(self, query: Tensor, index: Tensor, clock: Clock, key: Tensor | None = None, **_: Any) -> Outputs:
        """The contrastive softmax, and for `after_step` "queries" and "own_keys" [B, dim] and "samples" [B]."""
        q = F.normalize(self.tower()(query), dim=1)  # [B, dim]
        view = query.flip(-1) if key is None else key
        found = self.keys.find(self.tower(), view, index, clock.seed, clock.step)
        positive, scores = (q * found.positive).sum(1), q @ found.others.T  # [B], [B, M]
        out = info_nce(positive, self.chosen(scores, found.positive, found.others, found.own), self.temperature)
        if self.training:  # held-out samples have no past
            out["collisions"] = torch.zeros(()) if self.kind == "batch" else found.own.float().mean()
            out["age"] = found.age.float().mean()
        return {**out, "queries": q, "own_keys": found.positive, "samples": index}

    def chosen(self, scores: Tensor, positive: Tensor, others: Tensor, own: Tensor) -> Tensor:
        """The scores [B, M] that count, [B, K] or [B, M], -inf where one does not."""
        out = own
        if self.duplicates < 1:
            out = out | (positive.detach() @ others.detach().T > self.duplicates)
        if self.kind == "batch":
            m = scores.shape[1]
            if self.k > m - 1:
                raise UserError(
                    f"a batch of {m} gives {m - 1} negatives, not {self.k}: use a smaller k, or a larger --batch-size"
                )
            if self.k and not self.hard:  # the next k of the batch, whose order is random
                place = torch.arange(m, device=own.device)
                out = out | ((place - own.float().argmax(1)[:, None]) % m > self.k)
        scores = scores.masked_fill(out, -torch.inf)
        return scores.topk(self.k, dim=1).values if self.hard else scores

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """The bank or the queue takes what the batch gave; the slow copy follows."""
        samples, queries, keys = (gather(outputs[name]) for name in ("samples", "queries", "own_keys"))
        self.keys.update(self.tower(), samples, queries, keys, clock.step)
