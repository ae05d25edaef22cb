"""The recurrence of an LSTM with a projection, whose memory and output are clipped."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""The output [B, W] and the memory [B, U] of a layer after its last symbol."""


@final
class Recurrence(nn.Module):
    """One layer of an LSTM with a projection (Sak, Senior, Beaufays 2014, arXiv 1402.1128), as ELMo's::

        i, f, g, o = W_ih x_t + W_hh h_{t-1} + b        c_t = clip(s(f) c_{t-1} + s(i) tanh(g))
        h_t = clip(W_hr (s(o) tanh(c_t)))

    The parameters have the names and the order of gates of ``torch.nn.LSTM(proj_size=W)``, with one bias. It is
    computed in float32 (or float64, if the parameters are) whatever the precision around it. The derivatives are
    written out: those of the weights are then one product over all symbols instead of one for each.

    Args:
        width: W, of x and h.
        units: U, of c.
        clip: Largest absolute value of c and h. 0 does not clip.
    """

    def __init__(self, width: int, units: int, clip: float) -> None:
        super().__init__()
        self.clip = clip if clip > 0 else math.inf
        self.weight_ih = nn.Parameter(torch.empty(4 * units, width))
        self.weight_hh = nn.Parameter(torch.empty(4 * units, width))
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.weight_hr = nn.Parameter(torch.empty(width, units))
        for weight in (self.weight_ih, self.weight_hh, self.weight_hr):
            nn.init.xavier_uniform_(weight)
        with torch.no_grad():
            self.bias[units : 2 * units] = 1.0  # at first the memory is kept

    def start(self, batch: int) -> State:
        """Return the state before the first symbol: zeros."""
        like = self.weight_hr
        return like.new_zeros(batch, like.shape[0]), like.new_zeros(batch, like.shape[1])

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Map [B, T, W] to the outputs, the same shape, and the state after the last. States have no gradient."""
        h, c = self.start(len(x)) if state is None else state
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            moved = torch.addmm(self.bias, x.transpose(0, 1).flatten(0, 1), self.weight_ih.T)
            gates = moved.unflatten(0, (x.shape[1], x.shape[0]))  # [T, B, 4 U]
            found: tuple[Tensor, ...] = _Recurrence.apply(  # type: ignore[no-untyped-call]
                gates, self.weight_hh, self.weight_hr, h, c, self.clip
            )
        return found[0].transpose(0, 1), (found[1], found[2])


@final
class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hh: Tensor, hr: Tensor, h: Tensor, c: Tensor, clip: float) -> Any:
        steps, batch, units = len(x), x.shape[1], x.shape[2] // 4
        gates, products = torch.empty_like(x), x.new_empty(steps, batch, units)  # [T, B, 4 U], [T, B, U]
        hs, cs = x.new_empty(steps + 1, *h.shape), x.new_empty(steps + 1, *c.shape)
        hs[0], cs[0] = h, c
        for t in range(steps):
            torch.addmm(x[t], hs[t], hh.T, out=gates[t])
            i, f, g, o = gates[t].chunk(4, 1)
            gates[t, :, : 2 * units].sigmoid_()
            g.tanh_()
            o.sigmoid_()
            torch.mul(f, cs[t], out=cs[t + 1]).addcmul_(i, g).clamp_(-clip, clip)
            torch.tanh(cs[t + 1], out=products[t]).mul_(o)
            torch.mm(products[t], hr.T, out=hs[t + 1]).clamp_(-clip, clip)
        ctx.save_for_backward(gates, products, hs, cs, hh, hr)
        ctx.clip = clip
        last = hs[-1].clone(), cs[-1].clone()
        ctx.mark_non_differentiable(*last)
        return hs[1:].clone(), *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        gates, products, hs, cs, hh, hr = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, 2)
        y = cs[1:].tanh()
        # the derivatives of c by i, f and g before their non-linearities, of the product by o, and of the product by c
        by_gate = torch.cat([g * i * (1 - i), cs[:-1] * f * (1 - f), i * (1 - g * g), y * o * (1 - o)], 2)
        by_memory = o * (1 - y * y)
        free_c, free_h = cs[1:].abs() < ctx.clip, hs[1:].abs() < ctx.clip
        of_gates, of_outputs = torch.empty_like(gates), torch.empty_like(grads[0])
        d_h, d_c = torch.zeros_like(hs[0]), torch.zeros_like(cs[0])
        units = d_c.shape[1]
        for t in range(len(gates) - 1, -1, -1):
            torch.add(grads[0][t], d_h, out=of_outputs[t]).mul_(free_h[t])
            d_product = of_outputs[t] @ hr
            d_c = d_c.addcmul_(d_product, by_memory[t]).mul_(free_c[t])
            split = by_gate[t].unflatten(1, (4, units))
            out = of_gates[t].unflatten(1, (4, units))
            torch.mul(split[:, :3], d_c[:, None], out=out[:, :3])
            torch.mul(split[:, 3], d_product, out=out[:, 3])
            d_h = of_gates[t] @ hh
            d_c = d_c * f[t]
        flat = of_gates.flatten(0, 1)
        by_hh = flat.T @ hs[:-1].flatten(0, 1)
        by_hr = of_outputs.flatten(0, 1).T @ products.flatten(0, 1)
        return of_gates, by_hh, by_hr, None, None, None
