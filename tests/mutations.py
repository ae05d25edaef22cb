"""Break gradients of the methods on purpose, one at a time, and see each one noticed by the contract.

    make mutations          # or: python tests/mutations.py [NAME ...]

Every mutation leaves the value of the loss as it is, or nearly so: a run goes on and learns something. A copy of the
method's file is changed and put to the checks of gradients, with and without the variants of its own test. Exit code 1
if a mutation goes unnoticed, or if an unchanged file is blamed.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from test_contract import case_of

from selftaught import methods
from selftaught.contract.case import Case
from selftaught.contract.checks import gradients_are_those_of_the_terms, gradients_reach_the_players_alone
from selftaught.contract.ranks import Ranks


class Mutation(NamedTuple):
    """One replacement in a method's file."""

    method: str
    what: str
    old: str
    new: str
    kind: str = "image"


MUTATIONS = (
    Mutation(
        "temporal_ensembling",
        "no gradient from the consistency term",
        "mse_loss(p * there",
        "mse_loss(p.detach() * there",
    ),
    Mutation(
        "temporal_ensembling",
        "the consistency term is logged, not learned",
        "w * disagreement, ",
        "w * disagreement.detach(), ",
    ),
    Mutation("cpc", "detached targets", "gather_with_gradient(targets.", "gather_with_gradient(targets.detach()."),
    Mutation("cpc", "a detached positive", "aim[:, :, k:].permute", "aim[:, :, k:].detach().permute"),
    Mutation(
        "vicreg",
        "variance of one side",
        "lack_of_variance(x) + lack_of_variance(y)",
        "lack_of_variance(x) + lack_of_variance(x)",
    ),
    Mutation(
        "vicreg", "covariance of one side", "redundancy(x) + redundancy(y)", "redundancy(x) + redundancy(y).detach()"
    ),
    Mutation("vicreg", "invariance towards one side", "F.mse_loss(x, y)", "F.mse_loss(x, y.detach())"),
    Mutation("barlow_twins", "one view detached", "one.T @ two /", "one.T @ two.detach() /"),
    Mutation("barlow_twins", "a constant variance", "(z.var(0, correction=0) +", "(z.var(0, correction=0).detach() +"),
    Mutation(
        "byol",
        "one order of the views",
        "loss = loss + disagreement(p, z)",
        "loss = loss + disagreement(p if one is first else p.detach(), z)",
    ),
    Mutation("simsiam", "a gradient through the target", 'target("z", z1)', "z1"),
    Mutation("simsiam", "one direction alone", "disagreement(p2, target", "disagreement(p2.detach(), target"),
    Mutation("simclr", "constant keys", "gather_with_gradient(z)", "gather_with_gradient(z.detach())"),
    Mutation("simclr", "constant positives", "table.gather(1, mine ^ 1)", "table.gather(1, mine ^ 1).detach()"),
    Mutation("simclr", "constant keys", "gather_with_gradient(z)", "gather_with_gradient(z.detach())", "signal"),
    Mutation("cpc", "constant candidates", "(rows.flatten(0, 1))", "(rows.flatten(0, 1).detach())", "signal"),
    Mutation("cpc", "a detached positive", "(query * rows[:, k:])", "(query * rows[:, k:].detach())", "signal"),
    Mutation("cpc", "constant codes within a series", "= query @ z  #", "= query @ z.detach()  #", "signal"),
    Mutation(
        "lejepa", "the test is logged, not learned", ".weight * normality", ".weight * normality.detach()", "signal"
    ),
    Mutation(
        "denoising", "half of a loss", "(clean - z) ** 2 * weight", "(clean.detach() - z) ** 2 * weight", "signal"
    ),
    Mutation("moco", "a detached positive", "(q * k).sum(1)", "(q.detach() * k).sum(1)"),
    Mutation(
        "moco", "negatives that do not move the query", "streamed_info_nce(q, (q", "streamed_info_nce(q.detach(), (q"
    ),
    Mutation("dictionary", "constant queries for negatives", "q @ found.others.T", "q.detach() @ found.others.T"),
    Mutation(
        "instdisc", "the proximal term is logged, not learned", "self.proximal * near", "self.proximal * near.detach()"
    ),
    Mutation("instdisc", "a detached positive", "(v * own).sum(1), v @", "(v.detach() * own).sum(1), v @"),
    Mutation(
        "cmc", "constant codes of the other view", "gather_with_gradient(key)", "gather_with_gradient(key.detach())"
    ),
    Mutation("infomax", "constant places", "layers[self.layer].flatten(2)", "layers[self.layer].flatten(2).detach()"),
    Mutation(
        "infomax",
        "a prior that moves nothing",
        "(-self.critic(y.sigmoid())).mean()}",
        "(-self.critic(y.detach().sigmoid())).mean()}",
    ),
    Mutation(
        "amdim",
        "a penalty that is logged, not learned",
        'self.penalty * mean["square"]',
        'self.penalty * mean["square"].detach()',
    ),
    Mutation(
        "local_aggregation",
        "a constant normaliser",
        "(scores / self.temperature).softmax(1)",
        "(scores / self.temperature - (scores / self.temperature).logsumexp(1, keepdim=True).detach()).exp()",
    ),
    Mutation(
        "swav", "a gradient through the codes", 'target("code", self.code(s, scores[s], clock))', "scores[s].softmax(1)"
    ),
    Mutation(
        "swav", "constant prototypes", "one @ prototypes.T for", "one @ (prototypes.detach() + 0 * prototypes).T for"
    ),
    Mutation(
        "dino",
        "small crops teach nothing",
        "learnt = [(one @",
        "learnt = [((one if len(z) == 2 or one is not z[-1] else one.detach()) @",
    ),
    Mutation("mean_teacher", "the distance of the heads moves one", "F.mse_loss(f, g)", "F.mse_loss(f, g.detach())"),
    Mutation(
        "mean_teacher",
        "no gradient from the consistency cost",
        "disagree(self.cost, g, target)",
        "disagree(self.cost, g.detach() + 0 * g, target)",
    ),
    Mutation("pi_model", "one pass detached", "other.softmax(1)", "other.detach().softmax(1)"),
    Mutation(
        "s4l", "the puzzle trains its head alone", "self.puzzle(features)  #", "self.puzzle(features.detach())  #"
    ),
    Mutation("sla", "distillation moves the aggregate", 'target("aggregate", votes)', "votes"),
    Mutation(
        "rotation",
        "two turns of four",
        "F.cross_entropy(logits, turns)",
        "F.cross_entropy(logits.where(turns[:, None] < 2, logits.detach()), turns)",
    ),
    Mutation(
        "denoising",
        "undamaged pixels teach nothing",
        "(each * torch.where(mask, alpha, beta))",
        "(torch.where(mask, each * alpha, each.detach() * beta))",
    ),
    Mutation(
        "supervised",
        "a constant head",
        "self.head(self.encoder(image))",
        "self.head(self.encoder(image).detach()) + 0 * self.encoder(image).sum()",
    ),
)
CHECKS = (gradients_reach_the_players_alone, gradients_are_those_of_the_terms)


def noticed(case: Case) -> str:
    """What the checks have against the method; "" if nothing."""
    for check in CHECKS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(case, Path(folder), no_ranks)
            except AssertionError as error:
                return str(error)
    return ""


def no_ranks() -> Ranks:
    raise RuntimeError("the checks of gradients need no ranks")


def main(names: list[str]) -> int:
    """Try all mutations, or those of the methods `names`."""
    chosen = [m for m in MUTATIONS if not names or m.method in names]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for number, mutation in enumerate(chosen):
            (spec,) = (s for s in methods.specs(mutation.method) if mutation.kind in s.sees)
            text = spec.path.read_text()
            assert text.count(mutation.old) >= 1, f"{spec.path} has no '{mutation.old}'"
            path = Path(folder) / f"mutated{number}.py"
            path.write_text(text.replace(mutation.old, mutation.new))
            said = noticed(replace(case_of(spec, mutation.kind), name=str(path)))
            print(f"{'ok' if said else '!!'}  {mutation.method}: {mutation.what}\n    {said}", flush=True)
            missed += [] if said else [mutation]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} mutations were noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
