/**
 * @file Records what this process writes below a folder, by replacing the functions of node:fs that the store uses.
 * A function that it does not know would be missing in the trace; the torture compares the end of a trace with the
 * folder to find that out.
 */
import fs, { type PathLike } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import {
  changeNames,
  copyTree,
  readTree,
  truncateFile,
  writeBytes,
  type Inode,
  type Node,
  type Trace,
  type TraceEntry,
} from './trace.ts';

export interface Recorder {
  mark(type: 'begun' | 'done', n: number): void;
  finish(): Trace;
}

type AnyFunction = (this: unknown, ...given: never[]) => unknown;
type Functions = Record<string, AnyFunction>;

/** An open file of the recorded folder, and where its next write without a position goes. */
interface OpenFile {
  readonly inode: Inode;
  position: number;
  readonly appends: boolean;
}

/** Begins to record. The folder must exist. */
export async function startRecording(dir: string): Promise<Recorder> {
  const root = resolve(dir);
  const before = readTree(root);
  const now = copyTree(before);
  const nodes = new Map<Inode, Node>();
  const entries: TraceEntry[] = [];
  let next = before.nodes.size;

  const record = (entry: TraceEntry): void => {
    entries.push(entry);
    if (entry.type === 'create' || entry.type === 'remove' || entry.type === 'rename')
      changeNames(now, entry, nodes);
    else if (entry.type === 'write') writeBytes(now, entry.inode, entry.offset, entry.bytes);
    else if (entry.type === 'truncate') truncateFile(now, entry.inode, entry.length);
  };
  /** The folder and the name of a path below the root; undefined for another path. */
  const locate = (path: unknown): { readonly folder: Inode; readonly name: string } | undefined => {
    if (typeof path !== 'string') return undefined;
    const parts = relative(root, resolve(path)).split(sep);
    if (parts[0] === '..' || parts[0] === '') return undefined;
    let folder: Inode = 0;
    for (const part of parts.slice(0, -1)) {
      const child = now.entries.get(folder)?.get(part);
      if (child === undefined) return undefined;
      folder = child;
    }
    return { folder, name: parts.at(-1)! };
  };
  const find = (path: unknown): Inode | undefined => {
    if (typeof path === 'string' && resolve(path) === root) return 0;
    const place = locate(path);
    return place && now.entries.get(place.folder)?.get(place.name);
  };
  const create = (path: unknown, node: Node): Inode | undefined => {
    const place = locate(path);
    if (!place) return undefined;
    const inode = next++;
    nodes.set(inode, node);
    record({ type: 'create', ...place, inode });
    return inode;
  };
  const remove = (path: unknown): void => {
    const place = locate(path);
    const inode = find(path);
    if (!place || inode === undefined) return;
    for (const name of now.entries.get(inode)?.keys() ?? []) remove(join(path as string, name));
    record({ type: 'remove', ...place });
  };
  const makeFolders = (path: string): void => {
    if (find(path) !== undefined || !resolve(path).startsWith(root + sep)) return;
    makeFolders(dirname(path));
    create(path, { kind: 'folder' });
  };
  /** Finds or creates a file that is opened with these flags. */
  const openFile = (path: unknown, flags: unknown): OpenFile | undefined => {
    const text = typeof flags === 'string' ? flags : '';
    const bits = typeof flags === 'number' ? flags : 0;
    const { O_CREAT, O_TRUNC, O_APPEND } = fs.constants;
    const inode =
      find(path) ?? (/[wa]/.test(text) || bits & O_CREAT ? create(path, { kind: 'file' }) : undefined);
    if (inode === undefined) return undefined;
    const length = now.contents.get(inode)?.length ?? 0;
    if ((text.startsWith('w') || bits & O_TRUNC) && length > 0)
      record({ type: 'truncate', inode, length: 0 });
    return { inode, position: 0, appends: text.startsWith('a') || (bits & O_APPEND) !== 0 };
  };
  const toBytes = (data: unknown): Uint8Array =>
    typeof data === 'string'
      ? Buffer.from(data)
      : Uint8Array.from(
          Buffer.from(
            (data as Uint8Array).buffer,
            (data as Uint8Array).byteOffset,
            (data as Uint8Array).byteLength,
          ),
        );
  const write = (file: OpenFile, bytes: Uint8Array, position?: unknown): void => {
    const end = now.contents.get(file.inode)?.length ?? 0;
    const offset = typeof position === 'number' ? position : file.appends ? end : file.position;
    record({ type: 'write', inode: file.inode, offset, bytes });
    if (typeof position !== 'number') file.position = offset + bytes.length;
  };
  const flagOf = (options: unknown): unknown =>
    typeof options === 'object' && options !== null ? ((options as { flag?: string }).flag ?? 'w') : 'w';

  const opened = new WeakMap<object, OpenFile>();
  /** What a function has changed when it has returned. `given` are its arguments. */
  const changes: Readonly<Record<string, (given: readonly unknown[]) => void>> = {
    writeFile([path, data, options]) {
      const file = typeof path === 'object' ? opened.get(path!) : openFile(path, flagOf(options));
      if (file) write(file, toBytes(data));
    },
    rename([from, to]) {
      const source = locate(from);
      const target = locate(to);
      if (source && target) record({ type: 'rename', from: source.folder, oldName: source.name, ...target });
    },
    rm: ([path]) => remove(path),
    rmdir: ([path]) => remove(path),
    unlink: ([path]) => remove(path),
    mkdir([path, options]) {
      if ((options as { recursive?: boolean } | undefined)?.recursive) makeFolders(path as string);
      else create(path, { kind: 'folder' });
    },
    link([from, to]) {
      const place = locate(to);
      const inode = find(from);
      if (place && inode !== undefined) record({ type: 'create', ...place, inode });
    },
    symlink: ([target, path]) => create(path, { kind: 'link', target: target as string }),
    copyFile([from, to]) {
      const file = openFile(to, 'w');
      if (file) write(file, Uint8Array.from(fs.readFileSync(from as PathLike)));
    },
    truncate([path, length = 0]) {
      const inode = find(path);
      if (inode !== undefined) record({ type: 'truncate', inode, length: length as number });
    },
  };
  const promises = fs.promises as unknown as Functions;
  const synchronous = fs as unknown as Functions;
  for (const [name, change] of Object.entries(changes)) {
    const original = promises[name]!;
    promises[name] = async (...given) => {
      const result = await original.apply(fs.promises, given);
      change(given);
      return result;
    };
    const originalSync = synchronous[`${name}Sync`]!;
    synchronous[`${name}Sync`] = (...given) => {
      const result = originalSync.apply(fs, given);
      change(given);
      return result;
    };
  }
  const originalOpen = promises['open']!;
  promises['open'] = async (...given) => {
    const handle = (await originalOpen.apply(fs.promises, given)) as object;
    const [path, flags] = given as readonly unknown[];
    const file = openFile(path, flags ?? 'r');
    if (file) opened.set(handle, file);
    return handle;
  };

  const probe = await open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(probe) as Functions;
  await probe.close();
  const patch = (
    name: string,
    change: (file: OpenFile, given: readonly unknown[], result: unknown) => void,
  ): void => {
    const original = prototype[name]!;
    prototype[name] = async function (this: unknown, ...given) {
      const result = await original.apply(this, given);
      const file = opened.get(this as FileHandle);
      if (file) change(file, given, result);
      return result;
    };
  };
  patch('write', (file, [data, offset, length, position], result) => {
    const { bytesWritten } = result as { bytesWritten: number };
    if (typeof data === 'string') {
      write(file, Buffer.from(data), offset);
      return;
    }
    const start = typeof offset === 'number' ? offset : 0;
    write(
      file,
      toBytes(data).slice(start, start + bytesWritten),
      typeof length === 'number' ? position : undefined,
    );
  });
  patch('writeFile', (file, [data]) => write(file, toBytes(data)));
  patch('appendFile', (file, [data]) => write(file, toBytes(data)));
  patch('truncate', ({ inode }, [length = 0]) =>
    record({ type: 'truncate', inode, length: length as number }),
  );
  patch('sync', ({ inode }) => record({ type: 'sync', inode }));
  patch('datasync', ({ inode }) => record({ type: 'sync', inode }));
  syncBuiltinESMExports();

  return {
    mark: (type, n) => record({ type, n }),
    finish: () => ({ before, entries: [...entries], nodes }),
  };
}
