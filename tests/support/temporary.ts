/** @file A folder for one test file, gone when its tests are over. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'cambium-test-'));
let made = 0;
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A path that does not exist yet. */
export const freePath = (name = 'thing'): string => join(root, `${made++}`, name);
/** A new empty folder. */
export function freshFolder(name = 'folder'): string {
  const path = freePath(name);
  mkdirSync(path, { recursive: true });
  return path;
}
