/**
 * @file Folders of one kind of work, such as tunings: a list of them in Cambium's own folder, and the names of those
 * that are made there.
 */
import { join } from 'node:path';
import type { JsonObject } from '../../base/json.ts';
import { exists, makeFolder, writeOrRefuse } from '../fs/files.ts';
import { toFolderName, type Home } from './home.ts';

export interface KnownFolders {
  /** Those that still exist, newest first. */
  list(): Promise<readonly string[]>;
  /** Puts a folder first. */
  remember(dir: string): Promise<void>;
  /** A folder in Cambium's own that does not exist yet. */
  findFree(name: string): Promise<string>;
}

const longestList = 500;

const readDirs = (json: JsonObject | undefined): readonly string[] => {
  const dirs = json?.['dirs'];
  return Array.isArray(dirs) ? dirs.filter((dir) => typeof dir === 'string') : [];
};

/** `kind`, in the singular, names the list and the parent folder; `isOne` recognises a folder of it. */
export function openKnownFolders(
  home: Home,
  kind: string,
  isOne: (dir: string) => Promise<boolean>,
): KnownFolders {
  const listFile = `${kind}s.json`;
  return {
    async list() {
      const dirs = readDirs(await home.readFile(listFile));
      const found = await Promise.all(dirs.map(isOne));
      return dirs.filter((_, i) => found[i]);
    },
    remember: (dir) =>
      home.updateFile(listFile, (before) => ({
        dirs: [dir, ...readDirs(before).filter((other) => other !== dir)].slice(0, longestList),
      })),
    async findFree(name) {
      const parent = join(home.dir, `${kind}s`);
      await writeOrRefuse(parent, () => makeFolder(parent, { isPrivate: true }));
      const stem = toFolderName(name, kind);
      for (let n = 1; ; n++) {
        const path = join(parent, n === 1 ? stem : `${stem}-${n}`);
        if (!(await exists(path))) return path;
      }
    },
  };
}
