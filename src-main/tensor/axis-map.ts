/**
 * @file Where each entry of a grown axis comes from: runs of old entries, each run belonging to one copy;
 * what no run covers is new.
 */

/**
 * `length` new entries starting at `at` are old entries starting at `from`; they are copy number `copy` of
 * those entries.
 */
export interface Piece {
  readonly at: number;
  readonly from: number;
  readonly length: number;
  readonly copy: number;
}

/**
 * JSON from top to bottom. Pieces are in order of `at` and do not overlap; each old entry stands in exactly
 * `copies` pieces, or, where `counts` are given, in as many as they say and at most `copies`.
 */
export interface AxisMap {
  readonly from: number;
  readonly to: number;
  readonly copies: number;
  readonly pieces: readonly Piece[];
  readonly counts?: readonly number[];
}

export const keep = (n: number): AxisMap => ({
  from: n,
  to: n,
  copies: 1,
  pieces: [{ at: 0, from: 0, length: n, copy: 0 }],
});

/** As many whole copies as fit, back to back; what remains is new. */
export function tile(from: number, to: number): AxisMap {
  const copies = Math.floor(to / from);
  return {
    from,
    to,
    copies,
    pieces: Array.from({ length: copies }, (_, copy) => ({ at: copy * from, from: 0, length: from, copy })),
  };
}

/** The old entries first, then new ones. */
export const pad = (from: number, to: number): AxisMap => ({
  from,
  to,
  copies: 1,
  pieces: [{ at: 0, from: 0, length: from, copy: 0 }],
});

/** The old entries first, then for each of `more` one more copy of that old entry. */
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

/** The `at`-th of `of` equal slices, and nothing else. */
export const part = (from: number, at: number, of: number): AxisMap => ({
  from,
  to: from / of,
  copies: 1,
  pieces: [{ at: 0, from: (at * from) / of, length: from / of, copy: 0 }],
});

/**
 * Entry j of each half of the axis moves to entry k·j of the same half of one k times as long: rotary pairs
 * stay pairs, at their own frequencies.
 */
export function scatter(from: number, to: number): AxisMap {
  const k = to / from;
  const pieces = Array.from({ length: from }, (_, i): Piece => ({
    at: i < from / 2 ? k * i : k * (i - from / 2) + to / 2,
    from: i,
    length: 1,
    copy: 0,
  }));
  return { from, to, copies: 1, pieces };
}

export const isKept = (map: AxisMap): boolean => map.from === map.to && map.pieces.length === 1;
/** The share of the new axis that carries old values: 1 unless it is padded. */
export const density = (map: AxisMap): number => covered(map) / map.to;
const covered = (map: AxisMap): number =>
  map.counts ? map.counts.reduce((a, b) => a + b, 0) : map.copies * map.from;

/** Whether some entries have no source. */
export const hasNew = (map: AxisMap): boolean => covered(map) < map.to;

/** For each new entry its old index, or -1. */
export function sources(map: AxisMap): Int32Array {
  const out = new Int32Array(map.to).fill(-1);
  for (const p of map.pieces) for (let i = 0; i < p.length; i++) out[p.at + i] = p.from + i;
  return out;
}

/** For each new entry the number of its copy, or -1. */
export function copiesOf(map: AxisMap): Int32Array {
  const out = new Int32Array(map.to).fill(-1);
  for (const p of map.pieces) out.fill(p.copy, p.at, p.at + p.length);
  return out;
}
