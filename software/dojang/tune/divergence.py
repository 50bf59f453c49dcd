"""How far a model's predictions are from another's, with its gradient."""

import torch  # pyright: ignore[reportMissingImports]  (an optional extra)
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from .model import TorchModel
from .products import Tensor

__all__ = ["divergence"]

POSITIONS = 64
"""Whose logits are in memory at once."""


class Divergence(torch.autograd.Function):
    """See `divergence`; the gradient is made on the way, while the logits are there."""

    @staticmethod
    def forward(ctx, x, target, model, base):
        loss, gradient, cap = 0.0, torch.empty_like(x), model.shape.logit_cap
        rounded = model.head.to(model.dtype)
        for part, h, t in zip(gradient.split(POSITIONS), x.split(POSITIONS), target.split(POSITIONS), strict=True):
            expected = functional.log_softmax(base.logits(t), -1)
            logits = model.logits(h)
            found = functional.log_softmax(logits, -1)
            p = expected.exp()
            loss += torch.dot(p.ravel(), expected.sub_(found).ravel()) / len(x)
            slope = found.exp_().sub_(p)
            if cap:
                slope *= 1 - (logits / cap).square()
            part.copy_(slope.to(model.dtype) @ rounded)
        ctx.save_for_backward(gradient.div_(len(x)))
        return loss

    @staticmethod
    def backward(ctx, *grads):
        return ctx.saved_tensors[0] * grads[0], None, None, None


def divergence(model: TorchModel, states: Tensor, base: TorchModel, target: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence, nats, of the model's predictions from the base's at every position.

    ``states``, ``target``: what `TorchModel.states` gives for both.
    """
    return Divergence.apply(states.flatten(0, -2), target.flatten(0, -2), model, base)
