/** @file A local Hub with a few models, and what the tests of the Hub client need around it. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { HubJudged } from '../../../src-main/model/hub.ts';
import { createHub, type Hub, type Patience } from '../../../src-main/store/hub/requests.ts';
import { hubSettings, type Token } from '../../../src-main/store/hub/settings.ts';
import { HubServer } from '../../support/hub-server.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

export const secret = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
export const server = new HubServer();
/** Quick enough for tests; the same rules. */
export const quick: Patience = { attempts: 4, pause: 5, silence: 20_000, longest: 3000 };

/** Starts the server with `org/small` (one file), `org/sharded` (several) and accounts. */
export function withServer(): void {
  beforeAll(async () => {
    await server.start();
    const small = await makeTinyCheckpoint('llama', { dir: join(freshFolder(), 'small'), tokenizer: true });
    const sharded = await makeTinyCheckpoint('gpt2', {
      dir: join(freshFolder(), 'sharded'),
      tokenizer: true,
      shards: 5,
      dims: { hidden: 64, heads: 4, ffn: 256 },
    });
    server.addFolder(
      'org/small',
      small,
      { downloads: 500, likes: 3, licence: 'apache-2.0' },
      {
        'pytorch_model.bin': Buffer.alloc(5000),
        'README.md': '---\nlicense: apache-2.0\n---\n# small',
        'tf_model.h5': Buffer.alloc(300),
      },
    );
    server.addFolder(
      'org/sharded',
      sharded,
      { downloads: 900, likes: 1, licence: 'mit' },
      { 'pytorch_model.bin': Buffer.alloc(9000) },
    );
    server.addFolder('org/gated', small, { gated: 'manual', downloads: 5, licence: 'other' });
    server.accounts.set(secret, { name: 'me', role: 'write', may: ['org/gated'] });
    server.accounts.set('hf_reader', { name: 'reader', role: 'read', may: [] });
  });
  afterAll(() => server.stop());
}

/** A client of the server with a cache of its own. */
export function client(
  token: string | null = null,
  patience: Partial<Patience> = {},
  environment: NodeJS.ProcessEnv = {},
): Hub {
  const settings = hubSettings(
    { HF_ENDPOINT: server.endpoint, HF_HOME: freshFolder('hf'), ...environment },
    '/nobody',
  );
  const own: Token | null = token === null ? null : { text: token, from: 'HF_TOKEN' };
  return createHub(settings, own, { ...quick, ...patience });
}

/** SHA-256 of every file of a folder, links followed. */
export const digests = (dir: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(dir)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(dir, name)))
          .digest('hex'),
      ]),
  );
/** Every file and link target below a folder, as text, to look for what must not be there. */
export const everything = (dir: string): string =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path}\n${entry.isSymbolicLink() ? readlinkSync(path) : statSync(path).isFile() ? readFileSync(path, 'latin1') : ''}`;
    })
    .join('\n');

/** A model of several files. */
export const repo = 'org/sharded';
export const original = (commit: string): Record<string, Buffer> =>
  Object.fromEntries(
    [...server.models.get(repo)!.commits.get(commit)!].map(([path, { bytes }]) => [path, bytes]),
  );
/** The downloaded files are those of the server, byte by byte. */
export function same(dir: string, { files, commit }: HubJudged): void {
  const there = original(commit);
  expect(readdirSync(dir).sort()).toEqual(files.map((file) => file.path).sort());
  for (const { path } of files) expect(readFileSync(join(dir, path)).equals(there[path]!), path).toBe(true);
}
