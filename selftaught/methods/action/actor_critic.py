"""Learning to act, with predictive coding as a second task or without it."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Source, Terms
from selftaught.parts.ahead import ahead
from selftaught.parts.recurrent import EpisodeMemory
from selftaught.parts.target import target
from selftaught.views.agent import StretchViews


@final
class ActorCritic(Method):
    """Advantage actor-critic with a recurrent memory (A2C), and contrastive predictive coding as an auxiliary loss.

    Mnih et al. 2016 (arXiv 1602.01783), "Asynchronous Methods for Deep Reinforcement Learning", in its synchronous
    form; van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), section 3.4. Environments are played side by side for
    `unroll` moments; the policy takes more often what gave more than the critic expected. With `cpc`, the memory must
    also predict the codes of what will be observed, among codes of other moments: encoder and memory are shared, and
    nothing is replayed.

    With z_t the code of what is seen, c_t = LSTM(z_1 ... z_t), policy pi(a | c), value V(c), reward r, discount g::

        R_t = r_t + g R_t+1, or r_t where the episode ends; after the last moment R = V(c)      A_t = R_t - V(c_t)
        L = mean_t( -A_t log pi(a_t | c_t) + value (R_t - V(c_t))^2 / 2 - entropy H(pi(. | c_t)) ) + cpc L_CPC

    R and A are constants in L. L_CPC is that of `cpc` for observations: no target is beyond the end of an episode, and
    the memory is empty where one begins. With cpc 0 there is nothing of it, not even its parameters.

    Shapes: observation is [N, T + 1, C, H, W], start, action and reward [N, T + 1] for N environments and an unroll of
    T; the last moment is only valued. batch_size is N T, and with it N.

    Departures: Adam in place of RMSProp; losses are means over moments, so gradients are clipped at norm 0.5, where
    sums are clipped at 40; unrolls of 20 and 5 moments ahead, where the paper of CPC has 100 and 30; one convolution
    for grids of 10 x 10 in place of the paper's network for pixels of DeepMind Lab; settings are fixed, not searched
    for with each game. An episode that is cut for its length counts as one that ended.

    Args:
        unroll: Moments between two updates.
        units: Units of the memory.
        discount: What a reward is worth one moment later, in [0, 1].
        entropy: Weight of the entropy of the policy, which keeps it from settling too early.
        value: Weight of the critic's error.
        cpc: Weight of the contrastive loss. 0 = plain A2C.
        ahead: Number of moments ahead that are predicted.
        negatives: Number of negative codes for each prediction, from the same unroll of all environments.

    Raises:
        UserError: An argument is out of range, or the number of actions is not known.
    """

    sees = ("agent",)
    stepper = "acting"
    unit = "observations"
    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 640, "lr": 2e-3, "weight_decay": 0.0, "schedule": "linear", "warmup": 0.0, "clip": 0.5,
        "minutes": 1.5,
    }  # fmt: skip
    effects: ClassVar[dict[str, Any]] = {"ahead": {"cpc": 0}, "negatives": {"cpc": 0}}
    distributed = "its environments are stepped in one process"

    def __init__(
        self,
        encoder: Encoder,
        unroll: int = 20,
        units: int = 128,
        discount: float = 0.99,
        entropy: float = 0.01,
        value: float = 0.5,
        cpc: float = 0.0,
        ahead: int = 5,
        negatives: int = 64,
    ) -> None:
        super().__init__()
        if min(unroll, units, ahead, negatives) < 1:
            raise UserError(
                "unroll, units, ahead and negatives of actor_critic must be at least 1, not "
                f"{unroll}, {units}, {ahead} and {negatives}"
            )
        if not 0 <= discount <= 1 or min(entropy, value, cpc) < 0:
            raise UserError(
                f"discount of actor_critic must be in [0, 1], and entropy, value and cpc at least 0, not {discount}, "
                f"{entropy}, {value} and {cpc}"
            )
        if cpc and ahead >= unroll:
            raise UserError(f"ahead of actor_critic must be less than unroll {unroll}, not {ahead}")
        self.encoder, self.views = encoder, StretchViews(encoder.spec["input"], unroll + 1, acted=True)
        self.unroll, self.discount, self.negatives = unroll, discount, negatives
        self.weights = {"policy": 1.0, "value": value, "entropy": -entropy, "prediction": cpc}
        self.memory = EpisodeMemory(encoder.dim, units)
        # after all else, so that plain A2C starts with the same weights
        self.maps = nn.ModuleList(nn.Linear(units, encoder.dim, bias=False) for _ in range(ahead if cpc else 0))

    def prepare(self, source: Source) -> None:
        """One output for each action, and the value. Raises UserError if the number of actions is not known."""
        actions = int(source.traits.get("actions", 0))
        if actions < 2:
            raise UserError(f"actor_critic needs data with at least 2 actions, not {actions}: name an environment")
        self.actor = nn.Linear(self.memory.cell.hidden_size, actions)
        self.critic = nn.Linear(self.memory.cell.hidden_size, 1)

    def unused(self, planned: Planned) -> dict[str, str]:
        """Return nothing: another pass over an environment is not the same one again."""
        return {}

    def stretch(self) -> int:
        """See `Acts.stretch`."""
        return self.unroll

    def empty(self, count: int) -> Tensor:
        """See `Acts.empty`."""
        return self.memory.empty(count)

    def act(self, memory: Tensor, greedy: bool = False, **batch: Any) -> tuple[Tensor, Tensor]:
        """See `Acts.act`."""
        contexts, memory = self.read(batch["observation"], batch["start"], memory)[1:]
        logits = self.actor(contexts[:, 0])  # [N, A]
        if greedy:
            return logits.argmax(1), memory
        return torch.multinomial(logits.softmax(1), 1)[:, 0], memory

    def read(self, observation: Tensor, start: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes [N, T, D] and contexts [N, T, U] of stretches, and the memory after them."""
        codes = self.encoder(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])
        return codes, *self.memory(codes, start, memory)

    def terms(self) -> Terms:
        """Return the terms. None of them moves what another alone is for: actor, critic and maps."""
        shared, seen = ("encoder", "memory"), "observation"
        reached = {"policy": "actor", "value": "critic", "entropy": "actor", "prediction": "maps"}
        return {term: (*shared, own, seen) for term, own in reached.items() if self.weights[term]}

    def targets(self) -> tuple[str, ...]:
        """Return what the policy and the critic take as given."""
        return ("returns", "advantage")

    def forward(
        self,
        observation: Tensor,
        start: Tensor,
        action: Tensor,
        reward: Tensor,
        clock: Clock,
        memory: Tensor | None = None,
        **_: Any,
    ) -> Outputs:
        """Return the loss and its terms."""
        codes, contexts, _after = self.read(observation, start, memory)
        log = self.actor(contexts[:, :-1]).log_softmax(2)  # [N, T, A]
        values = self.critic(contexts)[..., 0]  # [N, T + 1]
        returns = target("returns", discounted(reward[:, :-1], start[:, 1:], values[:, -1], self.discount))
        advantage = target("advantage", returns - values[:, :-1])
        taken = log.gather(2, action[:, :-1, None])[..., 0]  # [N, T]
        found = {
            "policy": -(advantage * taken).mean(),
            "value": (returns - values[:, :-1]).square().mean() / 2,
            "entropy": -(log.exp() * log).sum(2).mean(),
        }
        pretext: dict[str, Tensor] = {}
        if self.maps:
            ours = codes[:, :-1], contexts[:, :-1], start[:, :-1]
            pretext = ahead(*ours, self.maps, self.negatives, clock.seed, clock.step)
            found["prediction"] = pretext.pop("loss")
        loss = torch.stack([self.weights[term] * value for term, value in found.items()]).sum()
        return {"loss": loss, **found, **pretext}


def discounted(reward: Tensor, over: Tensor, last: Tensor, discount: float) -> Tensor:
    """Return R [N, T]: rewards [N, T] with discounted later ones, up to the end of the episode, bool [N, T], or `last`.

    `last`, [N], is what comes after the last moment.
    """
    found = []
    for got, ended in zip(reward.unbind(1)[::-1], over.unbind(1)[::-1], strict=True):
        last = got + discount * last * ~ended
        found.append(last)
    return torch.stack(found[::-1], 1)
