import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

const indexFile = 'model.safetensors.index.json';
const makeSharded = (): Promise<string> => makeTinyCheckpoint('llama', { shards: 3 });
const listShardFiles = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.safetensors'))
    .sort();

/** Renames the first shard in the index, but not on disk. */
function renameInIndex(dir: string, to: string): void {
  const { weight_map: map } = JSON.parse(readFileSync(join(dir, indexFile), 'utf8')) as {
    weight_map: Record<string, string>;
  };
  const first = listShardFiles(dir)[0]!;
  const renamed = Object.entries(map).map(([name, file]) => [name, file === first ? to : file]);
  writeFileSync(join(dir, indexFile), JSON.stringify({ weight_map: Object.fromEntries(renamed) }));
}

describe('shards', () => {
  it('are found without an index, and refused when one is missing', async () => {
    const dir = await makeSharded();
    rmSync(join(dir, indexFile));
    expect((await openCheckpoint(dir)).summary.shards).toBe(listShardFiles(dir).length);
    const incomplete = await makeSharded();
    const file = listShardFiles(incomplete)[1]!;
    rmSync(join(incomplete, file));
    const { detail } = await expectAppError('checkpoint/missing-shard', () => openCheckpoint(incomplete));
    expect(detail).toEqual({ path: incomplete, file });
    rmSync(join(incomplete, indexFile));
    await expectAppError('checkpoint/missing-tensors', () => openCheckpoint(incomplete));
  });

  it.each([
    '../outside.safetensors',
    'a/../../outside.safetensors',
    '/etc/passwd',
    'C:\\weights.safetensors',
    '..\\outside.safetensors',
    '..',
  ])('are refused outside of the folder, at %s', async (file) => {
    const dir = await makeSharded();
    cpSync(join(dir, listShardFiles(dir)[0]!), join(dirname(dir), 'outside.safetensors'));
    renameInIndex(dir, file);
    const { detail } = await expectAppError('checkpoint/shard-outside', () => openCheckpoint(dir));
    expect(detail).toEqual({ path: dir, file });
  });

  it('need an index with a weight_map', async () => {
    const dir = await makeSharded();
    for (const text of ['{', '[]', '{}', '{"weight_map":{}}', '{"weight_map":{"a":3}}']) {
      writeFileSync(join(dir, indexFile), text);
      await expectAppError('file/bad-json', () => openCheckpoint(dir));
    }
  });
});

describe('selectShards', () => {
  it('refuses folders without weights, with only a pickle, and with only an adapter', async () => {
    const dir = await makeTinyCheckpoint('llama');
    rmSync(join(dir, 'model.safetensors'));
    await expectAppError('checkpoint/no-weights', () => openCheckpoint(dir));
    for (const name of [
      'pytorch_model.bin',
      'model.pt',
      'model.pth',
      'last.ckpt',
      'pytorch_model.bin.index.json',
    ]) {
      writeFileSync(join(dir, name), 'x');
      const { detail } = await expectAppError('checkpoint/pickle-only', () => openCheckpoint(dir));
      expect(detail).toMatchObject({ path: dir, file: name });
      rmSync(join(dir, name));
    }
    writeFileSync(join(dir, 'adapter_config.json'), '{}');
    writeFileSync(join(dir, 'adapter_model.safetensors'), 'x');
    await expectAppError('checkpoint/adapter', () => openCheckpoint(dir));
    rmSync(join(dir, 'config.json'));
    await expectAppError('checkpoint/adapter', () => openCheckpoint(dir));
  });
});
