/** @file Adds paired noise to blocks of rows of a grown weight. */
import type { RowBlock, Values } from './copy-rows.ts';
import type { Group, Pair } from './noise-pairs.ts';

/**
 * Random numbers with one key and one scale: those of one group of outputs and one pair of input copies. They
 * are the numbers `from` to `from + count` of the weight.
 */
export interface NoiseSet {
  readonly key: number;
  readonly from: number;
  readonly count: number;
  /** The index of the power that the noise is relative to. */
  readonly powerIndex: number;
}

/** The random numbers of all sets, and the scale of each set. */
export interface DrawnNoise {
  readonly approximateNormals: Int16Array;
  readonly scales: Float64Array;
}

/** The noise sets of a weight of `rows` × `width`. Set g × pairs + p belongs to group g and pair p. */
interface NoiseLayout {
  readonly groups: readonly Group[];
  readonly pairs: readonly Pair[];
  readonly sets: readonly NoiseSet[];
  readonly rows: number;
  readonly width: number;
}

/** Adds noise to rows of the grown weight. `out` is [block.rows, columns]. */
export type AddNoise = (out: Values, block: RowBlock, drawn: DrawnNoise) => void;

/** Adds noise to a weight whose rows are outputs: every pair adds the numbers of the row's group. */
export function addToRows({ groups, pairs, sets, rows, width }: NoiseLayout): AddNoise {
  const { list, index } = indexEntries(
    groups.map((group) => group.at),
    rows,
  );
  return (out, { at, rows: count }, { approximateNormals, scales }) => {
    for (let r = at; r < at + count; r++) {
      if (list[r]! < 0) continue;
      const base = (r - at) * width;
      for (let p = 0; p < pairs.length; p++) {
        const { plus, minus } = pairs[p]!;
        const set = list[r]! * pairs.length + p;
        const length = plus.at.length;
        const from = sets[set]!.from + index[r]! * length;
        const scale = scales[set]!;
        if (out instanceof Float32Array && plus.first >= 0 && minus.first >= 0) {
          addPair(out, base + plus.first, base + minus.first, approximateNormals, from, length, scale);
          continue;
        }
        addGroup(out, base, plus, approximateNormals, from, scale);
        addGroup(out, base, minus, approximateNormals, from, -scale);
      }
    }
  };
}

/** Adds noise to a weight whose rows are inputs: a row of a first copy adds it, its partner subtracts it. */
export function addToColumns({ groups, pairs, sets, rows, width }: NoiseLayout): AddNoise {
  const { list, index } = indexEntries(
    pairs.flatMap(({ plus, minus }) => [plus.at, minus.at]),
    rows,
  );
  return (out, { at, rows: count }, { approximateNormals, scales }) => {
    for (let r = at; r < at + count; r++) {
      if (list[r]! < 0) continue;
      const base = (r - at) * width;
      const pair = list[r]! >> 1;
      const isMinus = (list[r]! & 1) === 1;
      groups.forEach((group, g) => {
        const set = g * pairs.length + pair;
        const from = sets[set]!.from + index[r]! * group.at.length;
        const scale = isMinus ? -scales[set]! : scales[set]!;
        addGroup(out, base, group, approximateNormals, from, scale);
      });
    }
  };
}

/** For each of `rows` rows the list that contains it and its index in that list; -1 if there is none. */
function indexEntries(
  lists: readonly Int32Array[],
  rows: number,
): { readonly list: Int32Array; readonly index: Int32Array } {
  const list = new Int32Array(rows).fill(-1);
  const index = new Int32Array(rows);
  lists.forEach((entries, n) => {
    entries.forEach((row, i) => {
      list[row] = n;
      index[row] = i;
    });
  });
  return { list, index };
}

/** Adds the same numbers to the entries from `plus` on and subtracts them from the entries from `minus` on. */
function addPair(
  out: Float32Array,
  plus: number,
  minus: number,
  normals: Int16Array,
  from: number,
  count: number,
  scale: number,
): void {
  for (let j = 0; j < count; j++) {
    const noise = Math.fround(normals[from + j]! * scale);
    out[plus + j] = Math.fround(out[plus + j]! + noise);
    out[minus + j] = Math.fround(out[minus + j]! - noise);
  }
}

/**
 * Adds numbers, from `from` on, to the entries of a group in the row that starts at `base`. Float32 terms are
 * rounded before they are added, as on a device.
 */
function addGroup(
  out: Values,
  base: number,
  { at, first }: Group,
  normals: Int16Array,
  from: number,
  scale: number,
): void {
  if (out instanceof Float64Array) {
    for (let j = 0; j < at.length; j++) out[base + at[j]!]! += normals[from + j]! * scale;
    return;
  }
  if (first >= 0) {
    let to = base + first;
    for (let j = 0; j < at.length; j++, to++) out[to]! += Math.fround(normals[from + j]! * scale);
    return;
  }
  for (let j = 0; j < at.length; j++) out[base + at[j]!]! += Math.fround(normals[from + j]! * scale);
}
