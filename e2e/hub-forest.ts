/**
 * @file A local Hub with models to look at and fetch, for the specs that need one; their servers are pointed
 * at it.
 */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { HubServer } from '../tests/support/hub-server.ts';
import type { App } from './app.ts';

export const secret = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
export const server = await new HubServer().start();
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
process.env['HF_ENDPOINT'] = server.endpoint;
afterAll(() => server.stop());

/**
 * The server with models: two that can be grown, a gated one, many small ones, and some that cannot be grown.
 */
export async function furnish(app: App): Promise<void> {
  const oak = await app.checkpoint('hub-oak', 'llama', {
    shards: 6,
    dims: { hidden: 64, ffn: 256, layers: 6 },
  });
  const elm = await app.checkpoint('hub-elm', 'gpt2', { dims: { hidden: 32, heads: 4, ffn: 128 } });
  server.addFolder(
    'forest/oak-1m',
    oak,
    { downloads: 81_000, likes: 420, licence: 'apache-2.0', updated: '2026-11-01T08:00:00.000Z' },
    { 'pytorch_model.bin': Buffer.alloc(400_000), 'README.md': '---\nlicense: apache-2.0\n---\n# Oak' },
  );
  server.addFolder('forest/elm', elm, {
    downloads: 90_500,
    likes: 77,
    licence: 'mit',
    updated: '2026-10-01T08:00:00.000Z',
  });
  server.addFolder('walled/garden', oak, {
    gated: 'manual',
    downloads: 55_000,
    likes: 900,
    licence: 'other',
  });
  for (let i = 0; i < 30; i++)
    server.addFolder(`nursery/seedling-${i}`, elm, { downloads: 100 - i, likes: i, licence: 'mit' });
  server.add(
    'forest/strange',
    { 'config.json': JSON.stringify({ model_type: 'mamba' }), 'model.safetensors': Buffer.alloc(64) },
    { downloads: 70_000 },
  );
  server.add(
    'forest/pickled',
    { 'config.json': readFileSync(join(oak, 'config.json')), 'pytorch_model.bin': Buffer.alloc(64) },
    { downloads: 69_000 },
  );
  server.accounts.set(secret, { name: 'ana', role: 'write', may: ['walled/garden'] });
  server.accounts.set('hf_readonly', { name: 'rob', role: 'read', may: [] });
}
export const cacheOf = (app: App, repo: string): string =>
  join(app.dir, '.cache', 'huggingface', 'hub', `models--${repo.replace('/', '--')}`);

/** A model that another tool put into the cache. */
export function byOthers(app: App): void {
  const dir = join(cacheOf(app, 'elsewhere/maple'), 'snapshots', 'c'.repeat(40));
  cpSync(join(app.dir, 'hub-elm'), dir, { recursive: true });
}
