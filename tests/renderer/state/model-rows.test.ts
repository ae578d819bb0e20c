import { expect, it } from 'vitest';
import type { HubCached } from '../../../src-main/contract/hub.ts';
import { listModels } from '../../../src-renderer/state/model-rows.ts';

const cachedAt = (dir: string): HubCached => ({
  repo: 'elm/leaf',
  commit: 'a',
  refs: ['main'],
  dir,
  bytes: 5,
  family: 'gpt2',
  why: null,
  own: false,
});
const known = { name: 'oak', opened: '2026-01-01T00:00:00Z', builtIn: false };

it('lists a model of the cache once, with what is known of it', () => {
  const rows = listModels(
    [
      { ...known, dir: '/oak', family: 'llama', parameters: 1000, bytes: 4000, origin: 'grown' },
      { ...known, dir: '/cache/b' },
    ],
    [cachedAt('/cache/a'), cachedAt('/cache/b')],
  );
  expect(rows.map(({ dir, origin, family }) => [dir, origin, family])).toEqual([
    ['/oak', 'grown', 'Llama'],
    ['/cache/b', 'opened', null],
    ['/cache/a', 'cache', 'GPT-2'],
  ]);
});

it('calls the built-in checkpoint the demo', () => {
  const [row] = listModels([{ ...known, dir: '/demo', builtIn: true }], []);
  expect(row).toMatchObject({ origin: 'demo', parameters: null });
});
