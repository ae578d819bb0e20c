/** @file Which entries of a weight share noise. */
import type { Side } from './side.ts';

/** Entries of one copy of a side: `at[i]` is the grown entry of the source entry `sources[i]`. */
export interface Group {
  readonly id: string;
  readonly block: number;
  readonly sources: Int32Array;
  readonly at: Int32Array;
  /** The first grown entry if they are contiguous, otherwise -1. */
  readonly first: number;
}

/** Two copies of the same source entries. */
export interface Pair {
  readonly id: string;
  readonly plus: Group;
  readonly minus: Group;
}

/** Groups of the output side: one for each copy of each block. */
export function findOutputGroups(side: Side): readonly Group[] {
  const idOf = (entry: number): string => `${side.block[entry]!}:${side.copy[entry]!}`;
  return groupEntries(side, idOf, (entry) => side.block[entry]!);
}

/**
 * Pairs of copies of the input side's first copied axis. Each copy of the other copied axes has its own pairs.
 * If copies are uneven, source entries without the second copy get no noise.
 */
export function findPairs(side: Side): readonly Pair[] {
  const axisIndex = side.axes.findIndex(({ map }) => map.copies > 1);
  const innerAxes = side.axes.slice(axisIndex + 1);
  const step = innerAxes.reduce((product, { map }) => product * map.copies, 1);
  const { copies } = side.axes[axisIndex]!.map;
  const groups = groupEntries(
    side,
    (entry) => String(side.copy[entry]!),
    () => 0,
  );
  const byCopy = new Map(groups.map((group) => [Number(group.id), group]));
  return [...byCopy].flatMap(([copy, plus]): Pair[] => {
    const axisCopy = Math.floor(copy / step) % copies;
    const minus = byCopy.get(copy + step);
    const hasPartner = axisCopy % 2 === 0 && axisCopy + 1 < copies;
    return hasPartner && minus ? [{ id: String(copy), plus: selectCommon(plus, minus), minus }] : [];
  });
}

/** The entries of `group` whose source entries are also in `other`. */
function selectCommon(group: Group, other: Group): Group {
  if (group.sources.length === other.sources.length) return group;
  const common = new Set(other.sources);
  const indices = Array.from(group.sources.keys()).filter((i) => common.has(group.sources[i]!));
  return {
    ...group,
    sources: Int32Array.from(indices, (i) => group.sources[i]!),
    ...locate(Int32Array.from(indices, (i) => group.at[i]!)),
  };
}

/** Groups the old entries of a side by `idOf`. Each group is in the order of its source entries. */
function groupEntries(
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
    const sources = at.map((entry) => side.source[entry]!);
    return { id, block: blockOf(at[0]!), sources, ...locate(at) };
  });
}

/** Whether each entry is the one before it plus 1. */
export const isContiguous = (entries: Int32Array): boolean =>
  entries.every((entry, i) => entry === entries[0]! + i);

const locate = (at: Int32Array): Pick<Group, 'at' | 'first'> => ({
  at,
  first: isContiguous(at) ? at[0]! : -1,
});
