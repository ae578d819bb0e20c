/** @file The GPU boxes that a person has named, in Cambium's own folder. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exists, readJson, writeJson, writing } from '../fs/files.ts';

export interface SavedPlace {
  readonly name: string;
  readonly target: string;
  readonly command: string;
}

const fileIn = (home: string): string => join(home, 'places.json');

/** Places in the order of their names. Refuses `file/bad-json`. */
export async function savedPlaces(home: string): Promise<readonly SavedPlace[]> {
  if (!(await exists(fileIn(home)))) return [];
  const value = await readJson(fileIn(home));
  return (Array.isArray(value) ? (value as unknown[]) : []).filter(
    (p): p is SavedPlace =>
      typeof (p as SavedPlace | null)?.name === 'string' &&
      typeof (p as SavedPlace).target === 'string' &&
      typeof (p as SavedPlace).command === 'string',
  );
}

export async function savePlaces(home: string, places: readonly SavedPlace[]): Promise<void> {
  await writing(home, () => mkdir(dirname(fileIn(home)), { recursive: true }));
  await writeJson(
    fileIn(home),
    [...places].sort((a, b) => a.name.localeCompare(b.name)),
  );
}
