/** @file Paired noise: what one copy of an input gets, the next one loses, so equal copies still sum to the same (methods.md 3.4). */
import { bellAt, keyOf } from '../base/random.ts';
import type { Values } from './apply.ts';
import type { TensorRecipe } from './recipe.ts';
import type { Side, Sides } from './side.ts';

/** Where the source entries `sources` of a side stand in one copy: `at[i]` is the grown entry of `sources[i]`. */
interface Group { readonly id: string; readonly block: number; readonly sources: Int32Array; readonly at: Int32Array }
interface Pair { readonly id: string; readonly plus: Group; readonly minus: Group }

/** Adds +N and -N to the copies 2p and 2p+1 of the first copied input axis; an odd last copy gets none. N has exactly the wanted power in each block: copy × head of the output, pair of the input. */
export function addNoise(recipe: TensorRecipe, { rows, columns, scale }: Sides, source: Values, out: Values, seed: number): void {
  const inner = rows.role === 'in' ? rows : columns, outer = inner === rows ? columns : rows;
  const shares = recipe.spread === 'diagonal' ? 1 / inner.copies : 1;
  const level = decibels(-recipe.noise!), powers = new Map<number, number>(), width = columns.to;
  const pairs = pairsOf(inner), single = out instanceof Float32Array;
  let bells = new Int16Array(0);
  for (const group of groupsOf(outer)) for (const { id, plus, minus } of pairs) {
    const [r, c] = inner === rows ? [plus, group] : [group, plus], [rMinus, cMinus] = inner === rows ? [minus, group] : [group, minus];
    const count = r.at.length * c.at.length, key = keyOf(seed, recipe.name, 'noise', group.id, id);
    let power = powers.get(group.block);
    if (power === undefined) powers.set(group.block, power = powerOf(source, r, c, rows, columns, scale * shares, single));
    if (bells.length < count) bells = new Int16Array(count);
    let squares = 0;
    for (let i = 0; i < count; i++) { const bell = bellAt(key, i); bells[i] = bell; squares += bell * bell; }
    if (squares === 0) continue;
    const unit = Math.sqrt((power * level) / (squares / count));
    for (let i = 0, n = 0; i < r.at.length; i++) {
      const at = r.at[i]! * width, atMinus = rMinus.at[i]! * width;
      for (let j = 0; j < c.at.length; j++, n++) {
        const noise = single ? Math.fround(bells[n]! * unit) : bells[n]! * unit;
        out[at + c.at[j]!]! += noise;
        out[atMinus + cMinus.at[j]!]! -= noise;
      }
    }
  }
}

/** Mean square of the divided weight over a block, summed in float64 in stored order. */
function powerOf(source: Values, r: Group, c: Group, rows: Side, columns: Side, scale: number, single: boolean): number {
  let sum = 0;
  for (let i = 0; i < r.sources.length; i++) {
    const from = r.sources[i]! * columns.from, rowScale = scale * (rows.scale?.[r.at[i]!] ?? 1);
    for (let j = 0; j < c.sources.length; j++) {
      const by = rowScale * (columns.scale?.[c.at[j]!] ?? 1), value = source[from + c.sources[j]!]! * (single ? Math.fround(by) : by);
      sum += single ? Math.fround(value) ** 2 : value ** 2;
    }
  }
  return sum / (r.sources.length * c.sources.length);
}

/** The written side in groups: one for each copy of each block. */
function groupsOf(side: Side): readonly Group[] {
  return grouped(side, (entry) => `${side.block[entry]!}:${side.copy[entry]!}`, (entry) => side.block[entry]!);
}

/** The read side in pairs of copies of its first copied axis; other copied axes make pairs of their own. Where copies are uneven, an entry that lacks the second gets no noise. */
function pairsOf(side: Side): readonly Pair[] {
  const first = side.axes.findIndex(({ map }) => map.copies > 1);
  const below = side.axes.slice(first + 1).reduce((product, { map }) => product * map.copies, 1), { copies } = side.axes[first]!.map;
  const numberOf = (copy: number): number => Math.floor(copy / below) % copies;
  const byCopy = new Map(grouped(side, (entry) => String(side.copy[entry]!), () => 0).map((group) => [Number(group.id), group]));
  return [...byCopy].filter(([copy]) => numberOf(copy) % 2 === 0 && numberOf(copy) + 1 < copies && byCopy.has(copy + below))
    .map(([copy, plus]) => { const minus = byCopy.get(copy + below)!; return { id: String(copy), plus: like(plus, minus), minus }; });
}

/** The entries of `group` whose source entries `other` has too. */
function like(group: Group, other: Group): Group {
  if (group.sources.length === other.sources.length) return group;
  const kept = new Set(other.sources), places = Array.from(group.sources.keys()).filter((i) => kept.has(group.sources[i]!));
  return { ...group, sources: Int32Array.from(places, (i) => group.sources[i]!), at: Int32Array.from(places, (i) => group.at[i]!) };
}

/** Old entries of a side by `idOf`, each group in the order of its source entries. */
function grouped(side: Side, idOf: (entry: number) => string, blockOf: (entry: number) => number): readonly Group[] {
  const found = new Map<string, number[]>();
  for (let entry = 0; entry < side.to; entry++) {
    if (side.source[entry]! < 0) continue;
    const id = idOf(entry), group = found.get(id);
    if (group) group.push(entry); else found.set(id, [entry]);
  }
  return [...found].map(([id, entries]) => {
    const at = Int32Array.from(entries.sort((a, b) => side.source[a]! - side.source[b]!));
    return { id, block: blockOf(at[0]!), sources: at.map((entry) => side.source[entry]!), at };
  });
}

const tenth = Math.LN10 / 10;

/** 10^(dB / 10), by a series and squaring: the same bits on every machine, which Math.pow does not promise. */
export function decibels(dB: number): number {
  const x = (dB * tenth) / 1024;
  let term = 1, sum = 1;
  for (let i = 1; i <= 12; i++) { term *= x / i; sum += term; }
  for (let i = 0; i < 10; i++) sum *= sum;
  return sum;
}
