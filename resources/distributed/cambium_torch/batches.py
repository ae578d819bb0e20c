"""
Which windows of the token files make a batch: the function of seed and step of Cambium's src-main/train/batches.ts.
Token files are mapped into memory, so text of any size is read as it is needed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from .numbers import derive_key, permute_index

DRAWS_PER_ROUND = 1024
HELD_OUT_WINDOWS = 64
TOKEN_FILE_MAGIC = 278_895_051
HEADER_BYTES = 1024


@dataclass(frozen=True)
class TextPart:
    """
    One text of a mixture: `train` tokens from `start` on, then its held-out tokens. One of weight 0 is only evaluated
    on. One with `shuffle_windows` is read once, shuffled in buffers of so many windows.
    """

    start: int
    train: int
    held_out: int
    weight: float
    shuffle_windows: int | None = None


@dataclass(frozen=True)
class BatchOrder:
    sequences: int
    context_length: int
    seed: int
    parts: Sequence[TextPart]


def windows_in(tokens: int, context_length: int) -> int:
    """Windows of `context_length` + 1 in `tokens`; neighbours share one token."""
    return max(0, (tokens - 1) // context_length)


def train_tokens_in(parts: Sequence[TextPart]) -> int:
    return sum(part.train for part in parts)


def _locate(counts: Sequence[int], index: int) -> tuple[int, int]:
    """The part that holds number `index` when part i holds `counts[i]`, and the number within that part."""
    part = 0
    while index >= counts[part]:
        index -= counts[part]
        part += 1
    return part, index


def held_out_starts(parts: Sequence[TextPart], context_length: int, most: int = HELD_OUT_WINDOWS) -> list[int]:
    """First tokens of at most `most` held-out windows, spread evenly over all parts."""
    counts = [windows_in(part.held_out, context_length) for part in parts]
    total = sum(counts)
    taken = min(total, most)
    starts = []
    for i in range(taken):
        part, offset = _locate(counts, (i * total) // taken)
        starts.append(parts[part].start + parts[part].train + offset * context_length)
    return starts


def draws_of(weights: Sequence[float]) -> list[int]:
    """Draws of each part in a round: its share, rounded so that they add up, and at least one."""
    total = 0.0
    for weight in weights:  # not sum(): it rounds differently from Python 3.12 on
        total += weight
    exact = [(weight / total) * DRAWS_PER_ROUND for weight in weights]
    counts = [max(1, math.floor(x)) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (-(exact[i] - math.floor(exact[i])), i))
    for j in range(DRAWS_PER_ROUND - sum(counts)):
        counts[by_remainder[j % len(by_remainder)]] += 1
    while sum(counts) > DRAWS_PER_ROUND:
        counts[counts.index(max(counts))] -= 1
    return counts


def window_starts(n: int, order: BatchOrder) -> list[int]:
    """First tokens of the windows of micro-batch number `n` (from 0) of `order.sequences` windows."""
    parts = [part for part in order.parts if part.weight > 0]
    is_mixture = len(parts) > 1
    draws = draws_of([part.weight for part in parts]) if is_mixture else [DRAWS_PER_ROUND]
    starts = []
    for row in range(order.sequences):
        drawn, in_round = divmod(n * order.sequences + row, DRAWS_PER_ROUND)
        p, offset = 0, in_round
        if is_mixture:
            key = derive_key(order.seed, "parts", drawn)
            p, offset = _locate(draws, permute_index(key, in_round, DRAWS_PER_ROUND))
        draw = drawn * draws[p] + offset
        size = parts[p].shuffle_windows
        if size is not None:
            buffer, index = divmod(draw, size)
            window = buffer * size + permute_index(derive_key(order.seed, "buffer", buffer, p), index, size)
            starts.append(parts[p].start + window * order.context_length)
            continue
        windows = windows_in(parts[p].train, order.context_length)
        epoch, index = divmod(draw, windows)
        names = ("order", epoch, p) if is_mixture else ("order", epoch)
        window = permute_index(derive_key(order.seed, *names), index, windows)
        starts.append(parts[p].start + window * order.context_length)
    return starts


class Tokens:
    """The tokens of several folders (tokens.json, token files, documents.bin) as one sequence."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._files: list[tuple[int, np.memmap]] = []
        self.length = 0
        starts: list[np.ndarray] = []
        for folder in folders:
            summary = json.loads((folder / "tokens.json").read_text("utf-8"))
            starts.append(np.fromfile(folder / "documents.bin", dtype="<f8") + self.length)
            dtype = "<u2" if summary["width"] == 2 else "<u4"
            for part in summary["parts"]:
                path = folder / part["file"]
                header = np.fromfile(path, dtype="<i4", count=4).tolist()
                if header != [TOKEN_FILE_MAGIC, 1, part["tokens"], summary["width"]]:
                    raise ValueError(f"{path}: its header does not fit tokens.json")
                tokens = np.memmap(path, dtype=dtype, mode="r", offset=HEADER_BYTES, shape=(part["tokens"],))
                self._files.append((self.length, tokens))
                self.length += part["tokens"]
        self._document_starts = np.concatenate(starts) if starts else np.empty(0)

    def read(self, start: int, count: int) -> np.ndarray:
        """`count` tokens [count] from token `start` on, as int64."""
        if start < 0 or start + count > self.length:
            raise IndexError(f"no tokens {start} to {start + count} of {self.length}")
        out = np.empty(count, dtype=np.int64)
        for first, tokens in self._files:
            a, b = max(start, first), min(start + count, first + len(tokens))
            if a < b:
                out[a - start : b - start] = tokens[a - first : b - first]
        return out

    def documents(self, start: int, count: int) -> np.ndarray:
        """The number of the document of each of `count` tokens [count] from token `start` on."""
        found = np.searchsorted(self._document_starts, np.arange(start, start + count), side="right") - 1
        return np.maximum(found, 0)
