"""The learning rate as a function of the step, as in Cambium's src-main/train/schedule.ts."""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

Settings = Mapping[str, Any]


def tokens_per_step(s: Settings) -> int:
    """Target tokens of one update."""
    return int(s["microBatch"] * s["contextLength"] * s["gradAccum"])


def steps_of(s: Settings) -> int:
    return max(1, math.ceil(float(s["tokens"]) / tokens_per_step(s)))


def _phases(s: Settings) -> Sequence[Settings]:
    whole = {"from": 0, "until": steps_of(s), "schedule": s["schedule"], "warmupSteps": s["warmupSteps"]}
    return s.get("phases") or [whole]


def learning_rate(s: Settings, step: int) -> float:
    """The learning rate of `step`, from 1."""
    phases = _phases(s)
    index = max((i for i, phase in enumerate(phases) if phase["from"] < step), default=0)
    return _rate_in_phase(s, phases, index, step)


def _rate_in_phase(s: Settings, phases: Sequence[Settings], i: int, step: int) -> float:
    phase = phases[i]
    begin, until, warmup = phase["from"], phase["until"], phase["warmupSteps"]
    start: float = 0.0 if i == 0 else _rate_in_phase(s, phases, i - 1, max(1, begin))
    peak: float = s["lr"] if i == 0 or warmup > 0 else start
    elapsed: float = step - begin
    minimum: float = min(peak, s["lr"] * s["minLrRatio"])
    if elapsed <= warmup:
        return float(start + ((peak - start) * elapsed) / warmup)
    progress: float = min(1.0, (elapsed - warmup) / max(1, until - begin - warmup))
    schedule = phase["schedule"]
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return minimum + 0.5 * (peak - minimum) * (1 + math.cos(math.pi * progress))
    if schedule in ("linear", "decay"):
        return peak + (minimum - peak) * progress
    decay_steps = max(1, _round((until - begin) * s["decayFraction"]))
    left = max(0, until - step)
    return peak if left >= decay_steps else minimum + ((peak - minimum) * left) / decay_steps


def _round(x: float) -> int:
    """Rounds halves up, as JavaScript does."""
    return math.floor(x + 0.5)


def is_decaying(s: Settings) -> bool:
    phases = s.get("phases") or []
    return bool(phases) and phases[-1]["schedule"] == "decay"


def decay_from(s: Settings, step: int, steps: int | None) -> dict[str, Any]:
    """Settings of a run whose learning rate decays from after `step` over `steps` steps, and which then ends."""
    length = steps if steps is not None else max(1, _round(steps_of(s) * s["decayFraction"]))
    warmup = s["warmupSteps"] if step == 0 else 0
    phase = {"from": step, "until": step + length, "schedule": "decay", "warmupSteps": warmup}
    earlier = [dict(phase) for phase in _phases(s) if phase["from"] < step]
    return {**s, "tokens": phase["until"] * tokens_per_step(s), "phases": [*earlier, phase]}


def distill_weight(first: float, step: int, steps: int) -> float:
    """The weight of the divergence at `step` (from 1): from `first` linearly to 0."""
    return max(0.0, first * (1 - (step - 1) / max(1, steps)))
