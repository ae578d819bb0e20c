/**
 * @file Paired noise: what one copy of an input gets, the next one loses, so equal copies still sum to the
 * same (methods.md 3.4).
 */
import { approximateNormalAt, keyOf } from '../../base/random.ts';
import type { RowBlock, Values } from './copy-rows.ts';
import type { TensorRecipe } from '../recipe.ts';
import type { Side, Sides } from './sides.ts';

/**
 * Where the source entries `sources` of a side stand in one copy: `at[i]` is the grown entry of `sources[i]`;
 * `first`, where they follow one another, the first of them, else -1.
 */
interface Group {
  readonly id: string;
  readonly block: number;
  readonly sources: Int32Array;
  readonly at: Int32Array;
  readonly first: number;
}
interface Pair {
  readonly id: string;
  readonly plus: Group;
  readonly minus: Group;
}

/**
 * Fills `into` with the numbers `first`, `first` + 1, ... (0 if absent) of `key` (base/random's `bellAt`) and
 * answers with the sum of their squares, exactly.
 */
export type DrawApproximateNormals = (key: number, into: Int16Array, first?: number) => number;
export const drawApproximateNormals: DrawApproximateNormals = (key, into, first = 0) => {
  let squares = 0;
  for (let i = 0; i < into.length; i++) {
    const bell = approximateNormalAt(key, first + i);
    into[i] = bell;
    squares += bell * bell;
  }
  return squares;
};

/**
 * Numbers that share a key and a strength: one group of outputs and one pair of inputs. They stand at
 * `from`... among all.
 */
export interface NoiseSet {
  readonly key: number;
  readonly from: number;
  readonly count: number;
  /** Which power they are measured by. */ readonly powerIndex: number;
}

/** The numbers of all sets, and what each set's are multiplied by. */
export interface DrawnNoise {
  readonly approximateNormals: Int16Array;
  readonly scales: Float64Array;
}

/** Noise in parts that anyone may work out, in any order: powers, numbers, and their sum with rows. */
export interface Noise {
  readonly count: number;
  readonly sets: readonly NoiseSet[];
  readonly powerCount: number;
  /** Mean square of the divided weight over a block of outputs. */
  power(index: number): number;
  /** The unit of a set, from the squares of its numbers and its power. */
  scale(set: NoiseSet, squares: number, power: number): number;
  /** Adds it to rows of the grown weight; `out` is [block.rows, columns]. */
  addTo(out: Values, block: RowBlock, drawn: DrawnNoise): void;
}

/**
 * +N and -N for the copies 2p and 2p+1 of the first copied input axis; an odd last copy gets none. N has
 * exactly the wanted power in each block: copy × head of the output, pair of the input.
 */
export function planNoise(
  recipe: TensorRecipe,
  { rows, columns, scale }: Sides,
  source: Values,
  seed: number,
): Noise {
  const inner = rows.role === 'in' ? rows : columns;
  const down = inner === rows;
  const groups = groupsOf(down ? columns : rows);
  const pairs = pairsOf(inner);
  const shares = recipe.spread === 'diagonal' ? 1 / inner.copies : 1;
  const level = decibelsToPowerRatio(-recipe.noise!);
  const single = source instanceof Float32Array;
  const firsts =
    pairs.length === 0 ? [] : [...new Map(groups.toReversed().map((group) => [group.block, group])).values()];
  const places = new Map(firsts.map((group, i) => [group.block, i]));
  const sides = (group: Group, { plus }: Pair): readonly [Group, Group] =>
    down ? [plus, group] : [group, plus];
  let count = 0;
  const sets = groups.flatMap((group) =>
    pairs.map((pair): NoiseSet => {
      const [r, c] = sides(group, pair);
      const from = count;
      const many = r.at.length * c.at.length;
      count += many;
      return {
        key: keyOf(seed, recipe.name, 'noise', group.id, pair.id),
        from,
        count: many,
        powerIndex: places.get(group.block)!,
      };
    }),
  );
  return {
    count,
    sets,
    powerCount: firsts.length,
    power: (index) =>
      powerOf(source, ...sides(firsts[index]!, pairs[0]!), rows, columns, scale * shares, single),
    scale: (set, squares, power) => (squares === 0 ? 0 : Math.sqrt((power * level) / (squares / set.count))),
    addTo: down
      ? alongColumns(groups, pairs, sets, rows.to, columns.to)
      : alongRows(groups, pairs, sets, rows.to, columns.to),
  };
}

/** All of a weight's noise at once. */
export function drawNoise(
  noise: Noise,
  bells: Int16Array,
  draw: DrawApproximateNormals = drawApproximateNormals,
): DrawnNoise {
  const powers = Array.from({ length: noise.powerCount }, (_, i) => noise.power(i));
  return {
    approximateNormals: bells,
    scales: Float64Array.from(noise.sets, (set) =>
      noise.scale(
        set,
        draw(set.key, bells.subarray(set.from, set.from + set.count)),
        powers[set.powerIndex]!,
      ),
    ),
  };
}

/** Which of `lists` holds each row, and where in it; -1 where none does. */
function placesOf(
  lists: readonly Int32Array[],
  rows: number,
): { readonly list: Int32Array; readonly index: Int32Array } {
  const list = new Int32Array(rows).fill(-1);
  const index = new Int32Array(rows);
  lists.forEach((at, n) => {
    at.forEach((row, i) => {
      list[row] = n;
      index[row] = i;
    });
  });
  return { list, index };
}

/** Rows are written, columns read: a row takes the numbers of its group, plus and minus. */
function alongRows(
  groups: readonly Group[],
  pairs: readonly Pair[],
  sets: readonly NoiseSet[],
  rows: number,
  width: number,
): Noise['addTo'] {
  const { list, index } = placesOf(
    groups.map((g) => g.at),
    rows,
  );
  return (out, { at, rows: count }, { approximateNormals: bells, scales: units }) => {
    for (let r = at; r < at + count; r++) {
      if (list[r]! < 0) continue;
      for (let p = 0; p < pairs.length; p++) {
        const { plus, minus } = pairs[p]!;
        const n = list[r]! * pairs.length + p;
        const from = sets[n]!.from + index[r]! * plus.at.length;
        const base = (r - at) * width;
        const unit = units[n]!;
        if (out instanceof Float32Array && plus.first >= 0 && minus.first >= 0) {
          addBoth(out, base + plus.first, base + minus.first, bells, from, plus.at.length, unit);
          continue;
        }
        add(out, base, plus, bells, from, unit);
        add(out, base, minus, bells, from, -unit);
      }
    }
  };
}

/**
 * Rows are read, columns written: a row of a first copy takes all groups' numbers, its partner their
 * opposites.
 */
function alongColumns(
  groups: readonly Group[],
  pairs: readonly Pair[],
  sets: readonly NoiseSet[],
  rows: number,
  width: number,
): Noise['addTo'] {
  const { list, index } = placesOf(
    pairs.flatMap(({ plus, minus }) => [plus.at, minus.at]),
    rows,
  );
  return (out, { at, rows: count }, { approximateNormals: bells, scales: units }) => {
    for (let r = at; r < at + count; r++) {
      if (list[r]! < 0) continue;
      groups.forEach((group, g) => {
        const n = g * pairs.length + (list[r]! >> 1);
        add(
          out,
          (r - at) * width,
          group,
          bells,
          sets[n]!.from + index[r]! * group.at.length,
          list[r]! & 1 ? -units[n]! : units[n]!,
        );
      });
    }
  };
}

/** The same numbers to entries `plus`... and from entries `minus`.... */
function addBoth(
  out: Float32Array,
  plus: number,
  minus: number,
  bells: Int16Array,
  from: number,
  count: number,
  unit: number,
): void {
  for (let j = 0; j < count; j++) {
    const noise = Math.fround(bells[from + j]! * unit);
    out[plus + j] = Math.fround(out[plus + j]! + noise);
    out[minus + j] = Math.fround(out[minus + j]! - noise);
  }
}

/**
 * Adds numbers `from`... times `unit` to the entries of a group in the row that begins at `base`. What is
 * added is rounded first, as a device rounds it.
 */
function add(
  out: Values,
  base: number,
  { at, first }: Group,
  bells: Int16Array,
  from: number,
  unit: number,
): void {
  if (out instanceof Float64Array)
    for (let j = 0; j < at.length; j++) out[base + at[j]!]! += bells[from + j]! * unit;
  else if (first >= 0)
    for (let j = 0, to = base + first; j < at.length; j++, to++)
      out[to]! += Math.fround(bells[from + j]! * unit);
  else for (let j = 0; j < at.length; j++) out[base + at[j]!]! += Math.fround(bells[from + j]! * unit);
}

/** Mean square of the divided weight over a block, summed in float64 in stored order. */
function powerOf(
  source: Values,
  r: Group,
  c: Group,
  rows: Side,
  columns: Side,
  scale: number,
  single: boolean,
): number {
  const apart = columns.scale !== null || !single || !follows(c.sources);
  let sum = 0;
  for (let i = 0; i < r.sources.length; i++) {
    const from = r.sources[i]! * columns.from;
    const rowScale = scale * (rows.scale?.[r.at[i]!] ?? 1);
    if (apart)
      for (let j = 0; j < c.sources.length; j++) {
        const by = rowScale * (columns.scale?.[c.at[j]!] ?? 1);
        const value = source[from + c.sources[j]!]! * (single ? Math.fround(by) : by);
        sum += single ? Math.fround(value) ** 2 : value ** 2;
      }
    else {
      const by = Math.fround(rowScale);
      const end = from + c.sources[0]! + c.sources.length;
      for (let j = from + c.sources[0]!; j < end; j++) {
        const value = Math.fround(source[j]! * by);
        sum += value * value;
      }
    }
  }
  return sum / (r.sources.length * c.sources.length);
}

/** The written side in groups: one for each copy of each block. */
function groupsOf(side: Side): readonly Group[] {
  return grouped(
    side,
    (entry) => `${side.block[entry]!}:${side.copy[entry]!}`,
    (entry) => side.block[entry]!,
  );
}

/**
 * The read side in pairs of copies of its first copied axis; other copied axes make pairs of their own. Where
 * copies are uneven, an entry that lacks the second gets no noise.
 */
function pairsOf(side: Side): readonly Pair[] {
  const first = side.axes.findIndex(({ map }) => map.copies > 1);
  const below = side.axes.slice(first + 1).reduce((product, { map }) => product * map.copies, 1);
  const { copies } = side.axes[first]!.map;
  const numberOf = (copy: number): number => Math.floor(copy / below) % copies;
  const byCopy = new Map(
    grouped(
      side,
      (entry) => String(side.copy[entry]!),
      () => 0,
    ).map((group) => [Number(group.id), group]),
  );
  return [...byCopy]
    .filter(([copy]) => numberOf(copy) % 2 === 0 && numberOf(copy) + 1 < copies && byCopy.has(copy + below))
    .map(([copy, plus]) => {
      const minus = byCopy.get(copy + below)!;
      return { id: String(copy), plus: like(plus, minus), minus };
    });
}

/** The entries of `group` whose source entries `other` has too. */
function like(group: Group, other: Group): Group {
  if (group.sources.length === other.sources.length) return group;
  const kept = new Set(other.sources);
  const places = Array.from(group.sources.keys()).filter((i) => kept.has(group.sources[i]!));
  return {
    ...group,
    sources: Int32Array.from(places, (i) => group.sources[i]!),
    ...standing(Int32Array.from(places, (i) => group.at[i]!)),
  };
}

/** Old entries of a side by `idOf`, each group in the order of its source entries. */
function grouped(
  side: Side,
  idOf: (entry: number) => string,
  blockOf: (entry: number) => number,
): readonly Group[] {
  const found = new Map<string, number[]>();
  for (let entry = 0; entry < side.to; entry++) {
    if (side.source[entry]! < 0) continue;
    const id = idOf(entry);
    const group = found.get(id);
    if (group) group.push(entry);
    else found.set(id, [entry]);
  }
  return [...found].map(([id, entries]) => {
    const at = Int32Array.from(entries.sort((a, b) => side.source[a]! - side.source[b]!));
    return { id, block: blockOf(at[0]!), sources: at.map((entry) => side.source[entry]!), ...standing(at) };
  });
}

/** Whether entries follow one another. */
const follows = (entries: Int32Array): boolean => entries.every((entry, i) => entry === entries[0]! + i);
const standing = (at: Int32Array): Pick<Group, 'at' | 'first'> => ({ at, first: follows(at) ? at[0]! : -1 });

const tenth = Math.LN10 / 10;

/**
 * 10^(dB / 10), by a series and squaring: the same bits on every machine, which Math.pow does not promise.
 */
export function decibelsToPowerRatio(dB: number): number {
  const x = (dB * tenth) / 1024;
  let term = 1;
  let sum = 1;
  for (let i = 1; i <= 12; i++) {
    term *= x / i;
    sum += term;
  }
  for (let i = 0; i < 10; i++) sum *= sum;
  return sum;
}
