import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatOwner, markOwnProcess } from '../../../src-main/store/fs/process.ts';
import { getBlobPath, linkSnapshot, listCachedModels } from '../../../src-main/store/hub/cache.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('listCachedModels', () => {
  it('lists models that other tools downloaded, and says which cannot be opened', async () => {
    const cache = freshFolder('cache');
    const createSnapshot = (name: string, files: Record<string, string>): void => {
      const dir = join(cache, name, 'snapshots', 'c'.repeat(40));
      mkdirSync(dir, { recursive: true });
      for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
    };
    createSnapshot('models--a--half', { 'config.json': '{"model_type":"llama"}' });
    createSnapshot('models--a--other', { 'config.json': '{"model_type":"mamba"}', 'model.safetensors': 'x' });
    createSnapshot('models--a--tokenizer', { 'tokenizer.json': '{}' });
    createSnapshot('datasets--a--b', { 'config.json': '{}' });
    createSnapshot('models--b', { 'config.json': '{"model_type":"llama"}', 'model.safetensors': 'x' });
    writeFileSync(join(cache, 'version.txt'), '1');
    const found = Object.fromEntries(
      (await listCachedModels(cache)).map((one) => [one.repo, [one.why?.code ?? null, one.own]]),
    );
    expect(found).toEqual({
      'a/half': ['checkpoint/no-weights', false],
      'a/other': ['checkpoint/unknown-family', false],
      b: [null, false],
    });
    expect(await listCachedModels('/nowhere')).toEqual([]);
  });
});

describe('linkSnapshot', () => {
  it('removes the links and refs that a killed download left under temporary names', async () => {
    const cache = freshFolder('cache');
    const file = { path: 'config.json', bytes: 2, etag: 'e'.repeat(40), sha256: false };
    const snapshot = { repo: 'a/b', revision: 'main', commit: 'c'.repeat(40), files: [file] };
    const blob = getBlobPath(cache, 'a/b', file.etag);
    const dir = join(blob, '..', '..', 'snapshots', snapshot.commit);
    const refs = join(blob, '..', '..', 'refs');
    for (const folder of [join(blob, '..'), dir, refs]) mkdirSync(folder, { recursive: true });
    writeFileSync(blob, '{}');
    const dead = formatOwner({ ...markOwnProcess(), pid: 2 ** 22 + 12_345 });
    symlinkSync(blob, join(dir, `config.json.${dead}-0-1.new`));
    writeFileSync(join(refs, `main.${dead}-0-2.new`), '');
    await linkSnapshot(cache, snapshot);
    expect(readdirSync(dir)).toEqual(['config.json']);
    expect(readdirSync(refs)).toEqual(['main']);
  });
});
