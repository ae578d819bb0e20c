/** @file The remote hosts that the user has saved, in places.json of Cambium's own folder. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, isObject, readJson, writeJson, writeOrRefuse } from '../fs/files.ts';

export interface SavedRemoteHost {
  readonly name: string;
  /** What ssh connects to: a host, `user@host`, or a name in ~/.ssh/config. */
  readonly target: string;
  /** The command that runs Cambium there. */
  readonly command: string;
}

const getFile = (home: string): string => join(home, 'places.json');

const isSavedRemoteHost = (value: unknown): value is SavedRemoteHost =>
  isObject(value) && ['name', 'target', 'command'].every((key) => typeof value[key] === 'string');

/** The saved remote hosts, sorted by name. Refuses `file/bad-json`. */
export async function readRemoteHosts(home: string): Promise<readonly SavedRemoteHost[]> {
  if (!(await exists(getFile(home)))) return [];
  const value: unknown = await readJson(getFile(home));
  return Array.isArray(value) ? value.filter(isSavedRemoteHost) : [];
}

export async function writeRemoteHosts(home: string, hosts: readonly SavedRemoteHost[]): Promise<void> {
  const sorted = [...hosts].sort((a, b) => a.name.localeCompare(b.name));
  await writeOrRefuse(home, () => mkdir(home, { recursive: true }));
  await writeJson(getFile(home), sorted);
}
