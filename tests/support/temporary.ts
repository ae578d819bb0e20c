/** @file Temporary paths for the tests of one file; they are removed when its tests, or the process, have ended. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'cambium-test-'));
let count = 0;
const removeAll = (): void => {
  rmSync(root, { recursive: true, force: true });
};
// The commands of tests/torture use these paths without a test runner.
if (process.env['VITEST']) afterAll(removeAll);
else process.once('exit', removeAll);

/** A path that does not exist yet; its parent folder does not exist either. */
export const freePath = (name = 'thing'): string => join(root, `${count++}`, name);

/** Creates an empty folder and returns its path. */
export function freshFolder(name = 'folder'): string {
  const path = freePath(name);
  mkdirSync(path, { recursive: true });
  return path;
}
