/** @file A set of 64-bit hashes of documents, in 16 to 32 bytes for each. */
import { createHash } from 'node:crypto';

export interface SeenHashes {
  readonly size: number;
  /** Adds a hash; false if it was there. */
  add(hash: bigint): boolean;
}

/**
 * The first 64 bits of a text's SHA-256, never 0. Among 10⁸ documents, two different ones have the same with a
 * probability of 1 in 3,700.
 */
export function hashDocument(text: string): bigint {
  const hash = createHash('sha256').update(text).digest().readBigUInt64LE();
  return hash === 0n ? 1n : hash;
}

/** Open addressing with linear probing; 0 marks a free slot. The low bits of a SHA-256 are spread evenly. */
export function createSeenHashes(): SeenHashes {
  let slots = new BigUint64Array(1024);
  let size = 0;
  const insert = (into: BigUint64Array, hash: bigint): boolean => {
    const mask = into.length - 1;
    let at = Number(hash & 0xffff_ffffn) & mask;
    while (into[at] !== 0n) {
      if (into[at] === hash) return false;
      at = (at + 1) & mask;
    }
    into[at] = hash;
    return true;
  };
  return {
    get size() {
      return size;
    },
    add(hash) {
      if (!insert(slots, hash)) return false;
      size++;
      if (size * 2 > slots.length) {
        const larger = new BigUint64Array(slots.length * 2);
        for (const one of slots) if (one !== 0n) insert(larger, one);
        slots = larger;
      }
      return true;
    },
  };
}
