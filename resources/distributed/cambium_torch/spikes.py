"""Skips a step whose loss or gradient norm is an outlier, as in Cambium's src-main/train/spikes.ts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

import numpy as np

NO_LIMIT = 3.4e38
WINDOW = 128
FEWEST_STEPS = 64


def limit_of(values: Sequence[float], threshold: float) -> float:
    """`threshold` standard deviations above the mean; no limit with too few values or a threshold of 0."""
    if threshold <= 0 or len(values) < FEWEST_STEPS:
        return NO_LIMIT
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return float(np.float32(mean + threshold * math.sqrt(squares / (len(values) - 1))))


@dataclass
class SpikeHistory:
    """The newest finite losses and gradient norms, oldest first, and the steps in a row that were not finite."""

    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    non_finite: int = 0

    def add(self, loss: float, grad_norm: float) -> None:
        """Outliers are kept too, so that a lasting change is no outlier for long."""
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            self.non_finite += 1
            return
        self.losses = [*self.losses, loss][-WINDOW:]
        self.grad_norms = [*self.grad_norms, grad_norm][-WINDOW:]
        self.non_finite = 0

    def to_json(self) -> dict[str, Any]:
        return {"losses": self.losses, "gradNorms": self.grad_norms, "nonFinite": self.non_finite}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> SpikeHistory:
        return SpikeHistory(list(value["losses"]), list(value["gradNorms"]), value["nonFinite"])
