"""Appends the events of a run to events.jsonl, in the format of docs/runs.md. Only the first process writes."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

TAIL_BYTES = 1 << 20


def timestamp() -> str:
    """The time now, as ISO 8601 in milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventLog:
    """An append-only file with one event per line."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "ab+")
        self._remove_torn_line()

    def _remove_torn_line(self) -> None:
        """A process that was killed may have written half a line."""
        size = self._file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            self._file.seek(start)
            found = self._file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)

    def last_step(self) -> int:
        """The step of the newest event that has one; 0 without events."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - TAIL_BYTES))
        for line in reversed(self._file.read().splitlines()):
            try:
                event = json.loads(line)
            except ValueError:  # the first line of the tail may lack its beginning
                continue
            if "step" in event:
                return int(event["step"])
        return 0

    def append(self, type: str, **fields: Any) -> None:
        """Writes an event. Fields that are None are left out, unless the format has null for them."""
        event = {"type": type, **fields}
        self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """Everything appended so far survives a power failure."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self.sync()
        self._file.close()
