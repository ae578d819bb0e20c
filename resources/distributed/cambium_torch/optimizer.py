"""
From gradients to the next weights, as Cambium's src-main/train/update.ts and optimizers: AdamW, Muon and SGD with the
factors of grown weights. Every process updates the entries that it holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from .job import Weight
from .model import local
from .world import World

PARTS: dict[str, tuple[str, ...]] = {
    "adamw": ("exp_avg", "exp_avg_sq"),
    "muon": ("momentum_buffer",),
    "sgd": ("momentum_buffer",),
}


@dataclass(frozen=True)
class StepScalars:
    """What the host decides about one update. `update` counts the updates that changed the weights, from 1."""

    lr: float
    update: int
    clip_scale: float


def holders(parameter: Tensor, world: World) -> int:
    """How many processes hold each entry of a parameter."""
    if not isinstance(parameter, DTensor):
        return world.size
    divisions = zip(parameter.device_mesh.shape, parameter.placements)
    shards = [size for size, placement in divisions if not placement.is_replicate()]
    return world.size // math.prod(shards)


class Optimizer:
    """The weights by name, their moments, and a moving average of the weights where one is kept."""

    def __init__(
        self,
        weights: Sequence[Weight],
        parameters: Mapping[str, nn.Parameter],
        settings: Mapping[str, Any],
        world: World,
    ) -> None:
        self.weights = weights
        self.parameters = parameters
        self.settings = settings
        self.world = world
        self.moments: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for weight in weights:
            for part in PARTS[weight.rule]:
                self.moments[part][weight.name] = torch.zeros_like(parameters[weight.name].data)
        self._groups: dict[tuple[Any, ...], list[Weight]] = defaultdict(list)
        for weight in weights:
            self._groups[(weight.rule, weight.lr_scale, weight.eps_scale, weight.decay)].append(weight)

    def start_average(self) -> None:
        """The moving average begins as a copy of the weights, unless it was loaded."""
        if self.settings["emaDecay"] <= 0 or "ema" in self.moments:
            return
        self.moments["ema"] = {name: p.data.clone() for name, p in self.parameters.items()}

    def squared_norm(self) -> float:
        """
        This process's part of the squared global gradient norm. Copies of a grown weight count as their source does.
        """
        total = torch.zeros((), dtype=torch.float64, device=self.world.device)
        for weight in self.weights:
            parameter = self.parameters[weight.name]
            if parameter.grad is None:
                continue
            gradient = local(parameter.grad)
            share = weight.norm_share / holders(parameter, self.world)
            total += gradient.square().sum().double() * share
        return total.item()

    @torch.no_grad()
    def step(self, scalars: StepScalars) -> tuple[float, float]:
        """Updates the weights. Returns this process's part of the squared norms of the step and of the weights."""
        step_square = torch.zeros((), dtype=torch.float64, device=self.world.device)
        weight_square = torch.zeros_like(step_square)
        for (rule, lr_scale, eps_scale, decay), group in self._groups.items():
            move = {"adamw": self._adamw, "muon": self._muon, "sgd": self._sgd}[rule]
            steps = move(group, scalars, lr_scale, eps_scale, decay)
            for weight, step in zip(group, steps):
                parameter = self.parameters[weight.name]
                values = local(parameter.data)
                if decay and rule != "sgd":
                    values.mul_(1 - scalars.lr * self.settings["weightDecay"])
                values.sub_(step)
                share = 1 / holders(parameter, self.world)
                step_square += step.square().sum().double() * share
                weight_square += values.square().sum().double() * share
        self._move_average(scalars.update)
        return step_square.item(), weight_square.item()

    def _parts(self, part: str, group: Sequence[Weight]) -> list[Tensor]:
        return [local(self.moments[part][weight.name]) for weight in group]

    def _gradients(self, group: Sequence[Weight]) -> list[Tensor]:
        found = [self.parameters[weight.name] for weight in group]
        return [local(p.grad) if p.grad is not None else torch.zeros_like(local(p.data)) for p in found]

    def _adamw(
        self, group: Sequence[Weight], scalars: StepScalars, lr_scale: float, eps_scale: float, decay: bool
    ) -> list[Tensor]:
        s, clip = self.settings, scalars.clip_scale
        correction1 = 1 - s["beta1"] ** scalars.update
        correction2 = math.sqrt(1 - s["beta2"] ** scalars.update)
        gradients = self._gradients(group)
        mean, square = self._parts("exp_avg", group), self._parts("exp_avg_sq", group)
        torch._foreach_mul_(mean, s["beta1"])
        torch._foreach_add_(mean, gradients, alpha=clip * (1 - s["beta1"]))
        torch._foreach_mul_(square, s["beta2"])
        torch._foreach_addcmul_(square, gradients, gradients, value=clip * clip * (1 - s["beta2"]))
        steps = torch._foreach_sqrt(square)
        torch._foreach_add_(steps, correction2 * s["eps"] * eps_scale)
        steps = torch._foreach_div(mean, steps)
        torch._foreach_mul_(steps, scalars.lr * lr_scale * correction2 / correction1)
        return list(steps)

    def _sgd(
        self, group: Sequence[Weight], scalars: StepScalars, lr_scale: float, eps_scale: float, decay: bool
    ) -> list[Tensor]:
        s = self.settings
        steps = []
        for weight, gradient, momentum in zip(group, self._gradients(group), self._parts("momentum_buffer", group)):
            pulled = gradient * scalars.clip_scale
            if decay:
                pulled.add_(local(self.parameters[weight.name].data), alpha=s["weightDecay"] / lr_scale)
            momentum.mul_(s["momentum"]).add_(pulled)
            steps.append(momentum * (scalars.lr * lr_scale))
        return steps

    def _muon(
        self, group: Sequence[Weight], scalars: StepScalars, lr_scale: float, eps_scale: float, decay: bool
    ) -> list[Tensor]:
        mu = self.settings["momentum"]
        steps = []
        for weight, gradient, momentum in zip(group, self._gradients(group), self._parts("momentum_buffer", group)):
            parameter = self.parameters[weight.name]
            fresh = gradient * (scalars.clip_scale * (1 - mu))
            momentum.mul_(mu).add_(fresh)
            lookahead = fresh + momentum * mu
            # A matrix is orthogonalized as a whole, so its parts are gathered for a moment.
            matrix = orthogonalize(gather(like(lookahead, parameter)))
            scale = scalars.lr * lr_scale * 0.2 * math.sqrt(max(parameter.shape))
            steps.append(local(divide(matrix * scale, parameter)))
        return steps

    def _move_average(self, update: int) -> None:
        if "ema" not in self.moments:
            return
        kept = min(self.settings["emaDecay"], (1 + update) / (10 + update))
        for name, average in self.moments["ema"].items():
            local(average).mul_(kept).add_(local(self.parameters[name].data), alpha=1 - kept)

    def clear_gradients(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    def is_finite(self) -> bool:
        """True if all weights and moments that this process holds are finite."""
        moments = [tensor for part in self.moments.values() for tensor in part.values()]
        tensors = [*(parameter.data for parameter in self.parameters.values()), *moments]
        return all(bool(torch.isfinite(local(tensor)).all()) for tensor in tensors)


def like(values: Tensor, parameter: Tensor) -> Tensor:
    """Local values as a tensor that is divided as `parameter` is."""
    if not isinstance(parameter, DTensor):
        return values
    return DTensor.from_local(
        values,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )


def gather(tensor: Tensor) -> Tensor:
    """The whole of a divided tensor, on every process."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def divide(whole: Tensor, parameter: Tensor) -> Tensor:
    """A tensor that every process has, divided as `parameter` is."""
    if not isinstance(parameter, DTensor):
        return whole
    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)


def orthogonalize(matrix: Tensor) -> Tensor:
    """
    Brings a matrix [rows, columns] near U·Vᵀ of its singular value decomposition, by five Newton-Schulz iterations
    with Jordan's coefficients (Jordan et al. 2024; torch.optim.Muon).
    """
    a, b, c = 3.4445, -4.775, 2.0315
    x: Tensor = matrix / max(matrix.norm().item(), 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x
