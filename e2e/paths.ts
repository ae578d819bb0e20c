/** @file Where the specs run, and how patient they are. */
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');
export const screenshots = join(root, 'e2e', 'screenshots');
/** How long an action may take, in milliseconds. Long, because a busy machine is slow. */
export const timeout = 60_000;
