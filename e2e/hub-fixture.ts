/** @file A local Hub with models. The servers of the tests use it instead of huggingface.co. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { HubServer } from '../tests/support/hub-server.ts';
import type { App } from './app.ts';

export const hubToken = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
export const hubServer = await new HubServer().start();
for (const name of [
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'XDG_CACHE_HOME',
  'HF_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
])
  process.env[name] = '';
process.env['HF_ENDPOINT'] = hubServer.endpoint;
afterAll(() => hubServer.stop());

/** Adds models to the Hub: two that can be grown, a gated one, many small ones, and two that cannot be grown. */
export async function addModels(app: App): Promise<void> {
  const oak = await app.createCheckpoint('hub-oak', 'llama', {
    shards: 6,
    dims: { hidden: 64, ffn: 256, layers: 6 },
  });
  const elm = await app.createCheckpoint('hub-elm', 'gpt2', { dims: { hidden: 32, heads: 4, ffn: 128 } });
  hubServer.addFolder(
    'forest/oak-1m',
    oak,
    { downloads: 81_000, likes: 420, license: 'apache-2.0', updated: '2026-11-01T08:00:00.000Z' },
    { 'pytorch_model.bin': Buffer.alloc(400_000), 'README.md': '---\nlicense: apache-2.0\n---\n# Oak' },
  );
  hubServer.addFolder('forest/elm', elm, {
    downloads: 90_500,
    likes: 77,
    license: 'mit',
    updated: '2026-10-01T08:00:00.000Z',
  });
  hubServer.addFolder('walled/garden', oak, {
    gated: 'manual',
    downloads: 55_000,
    likes: 900,
    license: 'other',
  });
  for (let i = 0; i < 30; i++)
    hubServer.addFolder(`nursery/seedling-${i}`, elm, { downloads: 100 - i, likes: i, license: 'mit' });
  hubServer.addCommit(
    'forest/strange',
    { 'config.json': JSON.stringify({ model_type: 'mamba' }), 'model.safetensors': Buffer.alloc(64) },
    { downloads: 70_000 },
  );
  hubServer.addCommit(
    'forest/pickled',
    { 'config.json': readFileSync(join(oak, 'config.json')), 'pytorch_model.bin': Buffer.alloc(64) },
    { downloads: 69_000 },
  );
  hubServer.accounts.set(hubToken, { name: 'ana', role: 'write', gatedRepos: ['walled/garden'] });
  hubServer.accounts.set('hf_readonly', { name: 'rob', role: 'read', gatedRepos: [] });
}
/** The folder of a model in the Hugging Face cache. */
export const cacheFolder = (app: App, repo: string): string =>
  join(app.dir, '.cache', 'huggingface', 'hub', `models--${repo.replace('/', '--')}`);

/** Adds a model to the cache that another tool has downloaded. */
export function addModelOfOtherTool(app: App): void {
  const dir = join(cacheFolder(app, 'elsewhere/maple'), 'snapshots', 'c'.repeat(40));
  cpSync(join(app.dir, 'hub-elm'), dir, { recursive: true });
}
