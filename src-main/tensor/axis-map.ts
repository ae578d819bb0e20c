/** @file Where each entry of a grown axis comes from: runs of old entries, each run belonging to one copy; what no run covers is new. */

/** `length` new entries starting at `at` are old entries starting at `from`; they are copy number `copy` of those entries. */
export interface Piece { readonly at: number; readonly from: number; readonly length: number; readonly copy: number }

/** JSON from top to bottom. Pieces are in order of `at` and do not overlap; each old entry stands in exactly `copies` pieces. */
export interface AxisMap { readonly from: number; readonly to: number; readonly copies: number; readonly pieces: readonly Piece[] }

export const keep = (n: number): AxisMap => ({ from: n, to: n, copies: 1, pieces: [{ at: 0, from: 0, length: n, copy: 0 }] });

/** As many whole copies as fit, back to back; what remains is new. */
export function tile(from: number, to: number): AxisMap {
  const copies = Math.floor(to / from);
  return { from, to, copies, pieces: Array.from({ length: copies }, (_, copy) => ({ at: copy * from, from: 0, length: from, copy })) };
}

/** The old entries first, then new ones. */
export const pad = (from: number, to: number): AxisMap => ({ from, to, copies: 1, pieces: [{ at: 0, from: 0, length: from, copy: 0 }] });

export const isKept = (map: AxisMap): boolean => map.from === map.to && map.pieces.length === 1;
/** The share of the new axis that carries old values: 1 unless it is padded. */
export const density = (map: AxisMap): number => (map.copies * map.from) / map.to;

/** Whether some entries have no source. */
export const hasNew = (map: AxisMap): boolean => map.copies * map.from < map.to;

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
