/** @file A local Hub with a few models, and helpers for the tests of the Hub client. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { HubModelInfo } from '../../../src-main/model/hub.ts';
import { createHub, type Hub, type RetryOptions } from '../../../src-main/store/hub/requests.ts';
import { readHubSettings, type HubToken } from '../../../src-main/store/hub/settings.ts';
import { HubServer } from '../../support/hub-server.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyConfig } from '../../support/tiny.ts';

/** The token of an account that may write and has access to the gated model. */
export const writeToken = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
export const server = new HubServer();

export const fastRetry: RetryOptions = { attempts: 4, baseDelay: 5, timeout: 20_000, maxRetryAfter: 3000 };

/** Starts the server with `org/small` (one file), `org/sharded` (several), `org/gated` and two accounts. */
export function useLocalHub(): void {
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
      { downloads: 500, likes: 3, license: 'apache-2.0' },
      {
        'pytorch_model.bin': Buffer.alloc(5000),
        'README.md': '---\nlicense: apache-2.0\n---\n# small',
        'tf_model.h5': Buffer.alloc(300),
      },
    );
    server.addFolder(
      'org/sharded',
      sharded,
      { downloads: 900, likes: 1, license: 'mit' },
      { 'pytorch_model.bin': Buffer.alloc(9000) },
    );
    server.addFolder('org/gated', small, { gated: 'manual', downloads: 5, license: 'other' });
    server.accounts.set(writeToken, { name: 'me', role: 'write', gatedRepos: ['org/gated'] });
    server.accounts.set('hf_reader', { name: 'reader', role: 'read', gatedRepos: [] });
  });
  afterAll(() => server.stop());
}

/** Adds models that cannot be grown, and returns the code of each by name. */
export function addInvalidModels(): Readonly<Record<string, string>> {
  const config = JSON.stringify(tinyConfig('llama'));
  const quantization = { quantization_config: { quant_method: 'gptq' } };
  const weights = { 'model.safetensors': Buffer.from('0000000000000000') };
  const index = JSON.stringify({ weight_map: { a: 'x-1.safetensors' } });
  server.addCommit('bad/type', { 'config.json': JSON.stringify({ model_type: 'mamba' }), ...weights });
  server.addCommit('bad/pickle', { 'config.json': config, 'pytorch_model.bin': 'x' });
  server.addCommit('bad/adapter', { 'adapter_config.json': '{}', 'adapter_model.safetensors': 'x' });
  server.addCommit('bad/quantized', {
    'config.json': JSON.stringify({ ...tinyConfig('llama'), ...quantization }),
    ...weights,
  });
  server.addCommit('bad/header', { 'config.json': config, ...weights });
  server.addCommit('bad/json', { 'config.json': '{', ...weights });
  server.addCommit('bad/empty', { 'README.md': 'x' });
  server.addCommit('bad/shard', { 'config.json': config, 'model.safetensors.index.json': index });
  return {
    type: 'checkpoint/unknown-family',
    pickle: 'checkpoint/pickle-only',
    adapter: 'checkpoint/adapter',
    quantized: 'checkpoint/quantized',
    header: 'safetensors/bad-header',
    json: 'file/bad-json',
    empty: 'checkpoint/no-config',
    shard: 'checkpoint/missing-shard',
  };
}

/** A client of the server, with its own cache. */
export function createClient(
  token: string | null = null,
  retry: Partial<RetryOptions> = {},
  environment: NodeJS.ProcessEnv = {},
): Hub {
  const settings = readHubSettings(
    { HF_ENDPOINT: server.endpoint, HF_HOME: freshFolder('hf'), ...environment },
    '/nobody',
  );
  const hubToken: HubToken | null = token === null ? null : { text: token, from: 'HF_TOKEN' };
  return createHub(settings, hubToken, { ...fastRetry, ...retry });
}

const hashFile = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** SHA-256 of every file of a folder, links followed. */
export const hashFiles = (dir: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(dir)
      .sort()
      .map((name) => [name, hashFile(join(dir, name))]),
  );

/** All paths, link targets and file contents below a folder, to search for what must not be there. */
export const readAllText = (dir: string): string =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isSymbolicLink()) return `${path}\n${readlinkSync(path)}`;
      return `${path}\n${statSync(path).isFile() ? readFileSync(path, 'latin1') : ''}`;
    })
    .join('\n');

/** A model with several weight files. */
export const repo = 'org/sharded';

/** The files of `repo` on the server. */
export const getFiles = (commit: string): Record<string, Buffer> => {
  const files = server.models.get(repo)!.commits.get(commit)!;
  return Object.fromEntries([...files].map(([path, { bytes }]) => [path, bytes]));
};

/** Expects the files of a downloaded folder to equal those on the server. */
export function expectSameFiles(dir: string, { files, commit }: HubModelInfo): void {
  const expected = getFiles(commit);
  expect(readdirSync(dir).sort()).toEqual(files.map((file) => file.path).sort());
  for (const { path } of files)
    expect(readFileSync(join(dir, path)).equals(expected[path]!), path).toBe(true);
}
