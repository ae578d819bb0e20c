"""What a person or a queue asks of a run between two steps, by files in the work folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DECAY = -1


@dataclass(frozen=True)
class Requests:
    """`decay` is a number of steps; DEFAULT_DECAY: as the settings say; 0: not asked for."""

    stop: bool = False
    preempt: bool = False
    decay: int = 0

    def to_numbers(self) -> list[float]:
        return [float(self.stop), float(self.preempt), float(self.decay)]

    @staticmethod
    def from_numbers(values: list[float]) -> Requests:
        return Requests(values[0] > 0, values[1] > 0, int(values[2]))


def read_requests(folder: Path) -> Requests:
    decay = 0
    if (folder / "decay").exists():
        text = (folder / "decay").read_text("utf-8").strip()
        decay = int(text) if text.isdigit() and int(text) > 0 else DEFAULT_DECAY
    return Requests((folder / "stop").exists() or is_orphan(), (folder / "preempt").exists(), decay)


def is_orphan() -> bool:
    """True if the Cambium that started this job has ended; a run that has no follower saves and stops."""
    parent = os.environ.get("CAMBIUM_PID")
    if not parent or os.name != "posix":
        return False
    try:
        os.kill(int(parent), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
