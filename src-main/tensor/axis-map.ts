/**
 * @file Maps from the entries of a grown axis to the old entries they copy, as pieces of consecutive entries.
 * Entries that no piece covers are new.
 */

/** The `length` new entries from `at` on are the old entries from `from` on, as their copy number `copy`. */
export interface Piece {
  readonly at: number;
  readonly from: number;
  readonly length: number;
  readonly copy: number;
}

/**
 * A map from an axis of size `from` to one of size `to`; plain JSON. Pieces are in order of `at` and do not
 * overlap. Each old entry is in exactly `copies` pieces, or, if there are `counts`, in as many as its count, which
 * is at most `copies`.
 */
export interface AxisMap {
  readonly from: number;
  readonly to: number;
  readonly copies: number;
  readonly pieces: readonly Piece[];
  readonly counts?: readonly number[];
}

/** Every entry stays where it is. */
export const keep = (n: number): AxisMap => ({
  from: n,
  to: n,
  copies: 1,
  pieces: [{ at: 0, from: 0, length: n, copy: 0 }],
});

/** As many full copies as fit, one after the other; the remaining entries are new. */
export function tile(from: number, to: number): AxisMap {
  const copies = Math.floor(to / from);
  const pieces = Array.from({ length: copies }, (_, copy) => ({
    at: copy * from,
    from: 0,
    length: from,
    copy,
  }));
  return { from, to, copies, pieces };
}

/** The old entries, then new ones. */
export const pad = (from: number, to: number): AxisMap => ({
  from,
  to,
  copies: 1,
  pieces: [{ at: 0, from: 0, length: from, copy: 0 }],
});

/** The old entries, evenly spread over the new axis from its first to its last entry; the others are new. */
export function spread(from: number, to: number): AxisMap {
  const step = from === 1 ? 0 : (to - 1) / (from - 1);
  const pieces = Array.from({ length: from }, (_, i): Piece => ({
    at: Math.round(i * step),
    from: i,
    length: 1,
    copy: 0,
  }));
  return { from, to, copies: 1, pieces };
}

/** The old entries, then one more copy of each old entry in `more`. */
export function replicate(from: number, more: readonly number[]): AxisMap {
  const counts = Array<number>(from).fill(1);
  const pieces: Piece[] = [{ at: 0, from: 0, length: from, copy: 0 }];
  more.forEach((old, i) => {
    const copy = counts[old]!++;
    const last = pieces.at(-1)!;
    const at = from + i;
    if (pieces.length > 1 && last.copy === copy && last.from + last.length === old)
      pieces[pieces.length - 1] = { ...last, length: last.length + 1 };
    else pieces.push({ at, from: old, length: 1, copy });
  });
  return { from, to: from + more.length, copies: Math.max(...counts), pieces, counts };
}

/** The `at`-th of `of` equal slices of the axis. */
export const sliceAxis = (from: number, at: number, of: number): AxisMap => ({
  from,
  to: from / of,
  copies: 1,
  pieces: [{ at: 0, from: (at * from) / of, length: from / of, copy: 0 }],
});

/**
 * Entry j of each half of the axis moves to entry k·j of the same half of an axis k times as long, so that rotary
 * pairs stay pairs with the same frequencies.
 */
export function scatter(from: number, to: number): AxisMap {
  const k = to / from;
  const half = from / 2;
  const pieces = Array.from({ length: from }, (_, i): Piece => ({
    at: i < half ? k * i : k * (i - half) + to / 2,
    from: i,
    length: 1,
    copy: 0,
  }));
  return { from, to, copies: 1, pieces };
}

export const isIdentity = (map: AxisMap): boolean => map.from === map.to && map.pieces.length === 1;

/** The share of the new axis that has old values: 1 unless it is padded. */
export const computeCoverage = (map: AxisMap): number => countCovered(map) / map.to;
const countCovered = (map: AxisMap): number =>
  map.counts ? map.counts.reduce((a, b) => a + b, 0) : map.copies * map.from;

/** True if some entries are new. */
export const hasNew = (map: AxisMap): boolean => countCovered(map) < map.to;

/** The index of the old entry of each entry, or -1 if it is new. */
export function listSources(map: AxisMap): Int32Array {
  const out = new Int32Array(map.to).fill(-1);
  for (const p of map.pieces) for (let i = 0; i < p.length; i++) out[p.at + i] = p.from + i;
  return out;
}

/** The copy number of each entry, or -1 if it is new. */
export function listCopies(map: AxisMap): Int32Array {
  const out = new Int32Array(map.to).fill(-1);
  for (const p of map.pieces) out.fill(p.copy, p.at, p.at + p.length);
  return out;
}
