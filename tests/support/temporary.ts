/** @file Temporary paths for the tests of one file; they are removed when its tests have run. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'cambium-test-'));
let count = 0;
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A path that does not exist yet; its parent folder does not exist either. */
export const freePath = (name = 'thing'): string => join(root, `${count++}`, name);

/** Creates an empty folder and returns its path. */
export function freshFolder(name = 'folder'): string {
  const path = freePath(name);
  mkdirSync(path, { recursive: true });
  return path;
}
