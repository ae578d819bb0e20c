/** @file A trace of what a process writes below a folder: names, bytes and syncs, in the order they were made. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** The number of a file or folder. Number 0 is the folder itself. */
export type Inode = number;

export type TraceEntry =
  | { readonly type: 'create'; readonly folder: Inode; readonly name: string; readonly inode: Inode }
  | { readonly type: 'remove'; readonly folder: Inode; readonly name: string }
  | {
      readonly type: 'rename';
      readonly from: Inode;
      readonly oldName: string;
      readonly folder: Inode;
      readonly name: string;
    }
  | { readonly type: 'write'; readonly inode: Inode; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly inode: Inode; readonly length: number }
  | { readonly type: 'sync'; readonly inode: Inode }
  | { readonly type: 'begun' | 'done'; readonly n: number };

export interface Node {
  readonly kind: 'folder' | 'file' | 'link';
  /** The target of a link. */
  readonly target?: string;
}

/** A tree of files. Entries of folders lead to numbers, so a file may have two names. */
export interface Tree {
  readonly nodes: Map<Inode, Node>;
  readonly entries: Map<Inode, Map<string, Inode>>;
  readonly contents: Map<Inode, Uint8Array>;
}

export interface Trace {
  /** The tree before the first entry, all of it on the disk. */
  readonly before: Tree;
  readonly entries: readonly TraceEntry[];
  /** Every file and folder that an entry creates. */
  readonly nodes: ReadonlyMap<Inode, Node>;
}

export const createTree = (): Tree => ({
  nodes: new Map([[0, { kind: 'folder' }]]),
  entries: new Map([[0, new Map()]]),
  contents: new Map(),
});

export const copyTree = ({ nodes, entries, contents }: Tree): Tree => ({
  nodes: new Map(nodes),
  entries: new Map([...entries].map(([inode, names]) => [inode, new Map(names)])),
  contents: new Map(contents),
});

/** Reads the tree below a folder. */
export function readTree(dir: string): Tree {
  const tree = createTree();
  const read = (path: string, folder: Inode): void => {
    for (const name of readdirSync(path).sort()) {
      const child = join(path, name);
      const found = lstatSync(child);
      const inode = tree.nodes.size;
      tree.entries.get(folder)!.set(name, inode);
      if (found.isDirectory()) {
        tree.nodes.set(inode, { kind: 'folder' });
        tree.entries.set(inode, new Map());
        read(child, inode);
      } else if (found.isSymbolicLink()) tree.nodes.set(inode, { kind: 'link', target: readlinkSync(child) });
      else {
        tree.nodes.set(inode, { kind: 'file' });
        tree.contents.set(inode, readFileSync(child));
      }
    }
  };
  read(dir, 0);
  return tree;
}

const empty = new Uint8Array();

/** Changes the content of a file as a write does. A gap is filled with zeros. */
export function writeBytes(tree: Tree, inode: Inode, offset: number, bytes: Uint8Array): void {
  const before = tree.contents.get(inode) ?? empty;
  const after = new Uint8Array(Math.max(before.length, offset + bytes.length));
  after.set(before);
  after.set(bytes, offset);
  tree.contents.set(inode, after);
}

export function truncateFile(tree: Tree, inode: Inode, length: number): void {
  const after = new Uint8Array(length);
  after.set((tree.contents.get(inode) ?? empty).subarray(0, length));
  tree.contents.set(inode, after);
}

/** Applies an entry that changes names. Does nothing where what it needs is not there. */
export function changeNames(
  tree: Tree,
  entry: Extract<TraceEntry, { type: 'create' | 'remove' | 'rename' }>,
  nodes: ReadonlyMap<Inode, Node>,
): void {
  const folder = tree.entries.get(entry.folder);
  if (!folder) return;
  if (entry.type === 'create') {
    const node = tree.nodes.get(entry.inode) ?? nodes.get(entry.inode)!;
    tree.nodes.set(entry.inode, node);
    if (node.kind === 'folder' && !tree.entries.has(entry.inode)) tree.entries.set(entry.inode, new Map());
    folder.set(entry.name, entry.inode);
  } else if (entry.type === 'remove') folder.delete(entry.name);
  else {
    const source = tree.entries.get(entry.from);
    const inode = source?.get(entry.oldName);
    if (inode === undefined) return;
    source!.delete(entry.oldName);
    folder.set(entry.name, inode);
  }
}

/** A text that is the same for trees with the same files. */
export function describeTree(tree: Tree, digest: (bytes: Uint8Array) => string): string {
  const lines: string[] = [];
  const walk = (folder: Inode, path: string): void => {
    for (const [name, inode] of [...tree.entries.get(folder)!].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const node = tree.nodes.get(inode)!;
      const child = `${path}/${name}`;
      if (node.kind === 'folder') {
        lines.push(`${child}/`);
        walk(inode, child);
      } else if (node.kind === 'link') lines.push(`${child} -> ${node.target!}`);
      else lines.push(`${child} ${digest(tree.contents.get(inode) ?? empty)}`);
    }
  };
  walk(0, '');
  return lines.join('\n');
}
