"""Counter-based random numbers: (seed, names, index) gives the same value as in Cambium's src-main/base/random.ts."""

from __future__ import annotations

import math

import numpy as np

MASK = 0xFFFFFFFF


def _mix(h: int) -> int:
    """The 32-bit finaliser of MurmurHash3."""
    h &= MASK
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK
    return h ^ (h >> 16)


def derive_key(seed: int, *names: str | int) -> int:
    """The key of a stream of random numbers."""
    h = _mix(seed ^ 0x9E3779B9) ^ _mix(seed >> 32)
    for name in names:
        text = str(name)
        for letter in text:
            h = ((h ^ ord(letter)) * 0x01000193) & MASK
        h = _mix(h ^ len(text))
    return h


def bits_at(key: int, index: int) -> int:
    """32 random bits of the stream `key` at `index`."""
    return _mix(_mix(index ^ key) + key * 0x9E3779B1)


def permute_index(key: int, index: int, n: int) -> int:
    """The position of `index` in a random permutation of 0..n-1: a Feistel network with cycle walking."""
    half = max(1, math.ceil(math.log2(max(2, n)) / 2))
    mask = (1 << half) - 1
    x = index
    while True:
        left, right = x >> half, x & mask
        for r in range(4):
            left, right = right, left ^ (bits_at(key + r, right) & mask)
        x = (left << half) + right
        if x < n:
            return x


def _mix_array(h: np.ndarray) -> np.ndarray:
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    mixed: np.ndarray = h ^ (h >> np.uint32(16))
    return mixed


def normals(key: int, first: int, count: int) -> np.ndarray:
    """
    `count` approximately normal numbers (float64, mean 0, std 1) from `first` on: sums of eight uniform bytes, so
    they are equal on every machine. `first + count` is at most 2^32.
    """
    with np.errstate(over="ignore"):
        index = np.arange(first, first + count, dtype=np.uint64).astype(np.uint32)
        shift = np.uint32((key * 0x9E3779B1) & MASK)
        a = _mix_array(_mix_array(index ^ np.uint32(key)) + shift)
        b = _mix_array(a ^ np.uint32(0x6A09E667) ^ np.uint32(key))
    low = np.uint32(0x00FF00FF)
    pairs = (a & low) + ((a >> np.uint32(8)) & low) + (b & low) + ((b >> np.uint32(8)) & low)
    sums = (pairs & np.uint32(0xFFFF)).astype(np.float64) + (pairs >> np.uint32(16)).astype(np.float64)
    values: np.ndarray = (sums - 8 * 127.5) / math.sqrt((8 * (256 * 256 - 1)) / 12)
    return values
