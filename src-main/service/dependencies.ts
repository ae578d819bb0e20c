/**
 * @file What the service is given: where it keeps things, how it starts engines, and what its surroundings
 * are.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { writeText } from '../store/fs/files.ts';
import type { Home } from '../store/home/home.ts';
import type { Processes } from './engines.ts';
import type { OpenTunnel } from './remote-hosts.ts';
import type { Secrets } from './secrets.ts';

export { isAlive } from '../store/fs/files.ts';
export { openHome } from '../store/home/home.ts';

/** What only the process entry can know. */
export interface Surroundings {
  readonly version: string;
  readonly desktop: boolean;
  /** The folder `resources` of this installation. */
  readonly resources: string;
  /** Electron's binary and a browser that can show the page; null when there is none. */
  readonly electron: string | null;
  readonly browser: string | null;
  /**
   * The package that carries ONNX Runtime's library, and the version of its CUDA provider when that is
   * installed.
   */
  readonly runtime: { readonly version: string; readonly folder: string; readonly cuda: boolean } | null;
}

export interface Place {
  readonly home: Home;
  readonly processes: Processes;
  readonly surroundings: Surroundings;
  readonly tunnel: OpenTunnel;
  /** Memory when absent. */
  readonly secrets?: Secrets;
}

/** The checkpoint that comes with Cambium. */
export const builtIn = ({ surroundings }: Place): string => join(surroundings.resources, 'demo', 'seedling');

/** A path as a person types it, absolute; `~` is their home. */
export const absolute = (path: string): string =>
  resolve(/^~(?=$|[\\/])/.test(path) ? join(homedir(), path.slice(1)) : path);

/** Writes a page beside the results it tells of; its path. */
export async function writeReport(dir: string, html: string): Promise<string> {
  const path = join(dir, 'report.html');
  await writeText(path, html);
  return path;
}
