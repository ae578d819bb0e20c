"""Memory, cost and pace of a run, and its budgets (Cambium's src-main/engine/train/meter.ts)."""

from __future__ import annotations

import math
import time
from statistics import median
from typing import Any, Protocol, Sequence

from .job import Job
from .schedule import steps_of, tokens_per_step

SECONDS_BETWEEN_READINGS = 5
PACE_STEPS = 20
PACE_WARMUP = 5


class Emit(Protocol):
    def __call__(self, type: str, **fields: Any) -> None: ...


class Usage:
    """Measures a session. `emit` writes an event."""

    def __init__(self, job: Job, emit: Emit) -> None:
        self._job, self._emit = job, emit
        self._started_at = time.monotonic()
        self._earlier_seconds: float | None = None
        self._last_reading = -math.inf
        self._step_times: list[float] = []
        self._ends: dict[str, float] = {}
        self.is_budget_spent = False

    def add_earlier(self, seconds: float) -> None:
        """Seconds of the sessions before this one; a rollback in this session does not change them."""
        if self._earlier_seconds is None:
            self._earlier_seconds = seconds

    def device_seconds(self) -> float:
        return (self._earlier_seconds or 0.0) + time.monotonic() - self._started_at

    def _cost(self) -> float | None:
        price = self._job.price_per_hour
        return None if price is None else price * self.device_seconds() / 3600

    def _spent(self, step: int) -> dict[str, float]:
        tokens = step * tokens_per_step(self._job.settings)
        return {"cost": self._cost() or 0.0, "hours": self.device_seconds() / 3600, "tokens": float(tokens)}

    def start_budgets(self, step: int) -> None:
        """A run that resumes after a spent budget gets it once more."""
        s = self._job.settings
        limits = {"cost": s["budgetCost"], "hours": s["budgetHours"], "tokens": s["budgetTokens"]}
        for what, spent in self._spent(step).items():
            limit = limits[what]
            self._ends[what] = limit * (math.floor(spent / limit + 1e-9) + 1) if limit > 0 else math.inf

    def are_tokens_spent(self, step: int) -> bool:
        """Equal on all processes, unlike the budgets of time and money, which the first one's clock decides."""
        return self._spent(step)["tokens"] >= self._ends["tokens"]

    def add_step(self, step: int, seconds: float, memory: Sequence[int]) -> None:
        """Reports the memory of the largest process, the cost so far, the pace, and a budget that is spent."""
        self._step_times.append(seconds)
        now = time.monotonic()
        if len(self._step_times) == 1 or now - self._last_reading >= SECONDS_BETWEEN_READINGS:
            self._last_reading = now
            self._emit(
                "usage",
                step=step,
                seconds=self.device_seconds(),
                memory=max(memory),
                watts=None,
                utilisation=None,
                temperature=None,
                energy=None,
                powerSource=None,
                cost=self._cost(),
            )
        if len(self._step_times) == PACE_STEPS:
            pace = median(self._step_times[PACE_WARMUP:])
            left = pace * max(0, steps_of(self._job.settings) - step)
            self._emit("measured", step=step, stepSeconds=pace, estimated=None, secondsLeft=left)
        spent = self._spent(step)
        over = next((what for what, end in self._ends.items() if spent[what] >= end), None)
        if over is not None and not self.is_budget_spent:
            self.is_budget_spent = True
            self._emit("budget", step=step, what=over, limit=self._ends[over], spent=spent[over])
