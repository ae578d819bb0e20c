/**
 * @file The trees that a file system may hold after a power failure, from a trace. What was synced is there; of what
 * was not, any part may be.
 */
import { bitsAt, uniformAt } from '../../../src-main/base/random.ts';
import {
  changeNames,
  copyTree,
  truncateFile,
  writeBytes,
  type Inode,
  type Trace,
  type TraceEntry,
  type Tree,
} from './trace.ts';

/**
 * What a file system does with names that were not synced. `ordered`: those up to some moment are there, as in the
 * journals of ext4, XFS, APFS and NTFS. `free`: any of them, in every folder.
 */
export const nameOrders = ['ordered', 'free'] as const;
export type NameOrder = (typeof nameOrders)[number];

type NameEntry = Extract<TraceEntry, { type: 'create' | 'remove' | 'rename' }>;
type DataEntry = Extract<TraceEntry, { type: 'write' | 'truncate' }>;

/** How much of what was not synced is there. */
export type Survival = 'none' | 'all' | 'names' | 'data' | 'random';
export const survivals: readonly Survival[] = ['none', 'all', 'names', 'data'];

interface Choice {
  readonly order: NameOrder;
  readonly survival: Survival;
  /** For `random`. */
  readonly key: number;
}

/** The entries before `end`, and which of them a sync has brought to the disk. */
function splitBySync(
  entries: readonly TraceEntry[],
  end: number,
): {
  readonly names: readonly NameEntry[];
  readonly data: readonly DataEntry[];
  readonly isSynced: ReadonlySet<TraceEntry>;
} {
  const names: NameEntry[] = [];
  const data: DataEntry[] = [];
  const isSynced = new Set<TraceEntry>();
  let openNames: NameEntry[] = [];
  const openData = new Map<Inode, DataEntry[]>();
  for (const entry of entries.slice(0, end)) {
    if (entry.type === 'create' || entry.type === 'remove' || entry.type === 'rename') {
      names.push(entry);
      openNames.push(entry);
    } else if (entry.type === 'write' || entry.type === 'truncate') {
      data.push(entry);
      openData.set(entry.inode, [...(openData.get(entry.inode) ?? []), entry]);
    } else if (entry.type === 'sync') {
      for (const written of openData.get(entry.inode) ?? []) isSynced.add(written);
      openData.delete(entry.inode);
      const isOfFolder = (name: NameEntry): boolean =>
        name.folder === entry.inode || (name.type === 'rename' && name.from === entry.inode);
      for (const name of openNames) if (isOfFolder(name)) isSynced.add(name);
      openNames = openNames.filter((name) => !isSynced.has(name));
    }
  }
  return { names, data, isSynced };
}

/** The tree after a power failure before entry number `end`. */
export function crashAt({ before, entries, nodes }: Trace, end: number, choice: Choice): Tree {
  const { names, data, isSynced } = splitBySync(entries, end);
  const { order, survival, key } = choice;
  const tree = copyTree(before);
  // With ordered names, everything before a synced one is there too.
  const lastSynced = names.findLastIndex((entry) => isSynced.has(entry));
  const open = names.length - 1 - lastSynced;
  const lastKept = lastSynced + (survival === 'random' ? Math.round(uniformAt(key, 0) * open) : open);
  const keepsAll = survival === 'all' || survival === 'names';
  names.forEach((entry, i) => {
    const isKept =
      order === 'ordered'
        ? i <= (survival === 'none' || survival === 'data' ? lastSynced : lastKept)
        : isSynced.has(entry) || keepsAll || (survival === 'random' && bitsAt(key, 2 * i + 2) % 2 === 0);
    if (isKept) changeNames(tree, entry, nodes);
  });
  data.forEach((entry, i) => {
    const chance = uniformAt(key, 2 * i + 1);
    const isWhole =
      isSynced.has(entry) ||
      survival === 'all' ||
      survival === 'data' ||
      (survival === 'random' && chance < 0.4);
    if (entry.type === 'truncate') {
      if (isWhole) truncateFile(tree, entry.inode, entry.length);
    } else if (isWhole) writeBytes(tree, entry.inode, entry.offset, entry.bytes);
    else if (survival === 'random' && chance < 0.8) {
      // A torn write: its beginning, or zeros in the place of its beginning.
      const cut = Math.floor(((chance - 0.4) / 0.4) * entry.bytes.length);
      const bytes =
        chance < 0.6 ? entry.bytes.subarray(0, cut) : Uint8Array.from(entry.bytes).fill(0, 0, cut);
      writeBytes(tree, entry.inode, entry.offset, bytes);
    }
  });
  return tree;
}
