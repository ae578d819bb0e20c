"""Ends a run whose held-out loss no longer improves, as in Cambium's src-main/train/early-stopping.ts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping


@dataclass(frozen=True)
class EarlyStopping:
    """The last held-out loss that counted as an improvement, its step, and the evaluations since."""

    best: float
    best_step: int
    evaluations: int

    def to_json(self) -> dict[str, Any]:
        return {"best": self.best, "bestStep": self.best_step, "evaluations": self.evaluations}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> EarlyStopping:
        return EarlyStopping(value["best"], value["bestStep"], value["evaluations"])


def add_evaluation(before: EarlyStopping | None, step: int, loss: float, threshold: float) -> EarlyStopping:
    """Improvements below the threshold add up, because `best` stays until one of them passes it."""
    if before is None or loss < before.best - threshold:
        return EarlyStopping(loss, step, 0)
    return EarlyStopping(before.best, before.best_step, before.evaluations + 1)


def is_patience_spent(state: EarlyStopping | None, patience: int) -> bool:
    return patience > 0 and state is not None and state.evaluations >= patience
