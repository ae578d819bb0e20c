import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { families } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import {
  checkFinite,
  openCheckpoint,
  readTensor,
  readTensorRange,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import { upcast, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyValues } from '../../support/tiny.ts';

/** Largest rounding error of the tiny checkpoints' values. */
const tolerances = { float32: 0, float16: 2 ** -9, bfloat16: 2 ** -6 } as const;

describe.each([...families.values()].map((family) => [family.id, family] as const))(
  'openCheckpoint of a tiny %s',
  (id, family) => {
    it.each(weightDTypes)('finds every weight, %s', async (dtype) => {
      for (const shards of [1, 3])
        for (const tied of [true, false])
          for (const nameStyle of ['causal', 'base'] as const) {
            const dir = await makeTinyCheckpoint(id, { dtype, shards, nameStyle, settings: { tied } });
            const checkpoint = await openCheckpoint(dir);
            const { summary, dims, settings } = checkpoint;
            const expected = parametersOf(family, dims, settings);
            expect([...checkpoint.tensors.keys()]).toEqual(expected.map((parameter) => parameter.name));
            expect(checkpoint.tensors.has(family.head.weight)).toBe(!tied);
            expect(checkpoint.nameStyle).toBe(nameStyle);
            expect(summary).toMatchObject({ family: id, tied, dtypes: [dtype], tokenizer: null });
            expect(summary.shards > 1).toBe(shards > 1);
            expect(summary.parameters).toBe(
              summary.tensors.reduce((sum, { shape }) => sum + countElements(shape), 0),
            );
            for (const parameter of expected) {
              const values = upcast(await readTensor(checkpoint, parameter.name), dtype);
              const wanted = tinyValues(parameter, dims, 1);
              const error = values.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i]!)), 0);
              expect(error, parameter.name).toBeLessThanOrEqual(tolerances[dtype]);
            }
          }
    });
  },
);

describe('openCheckpoint', () => {
  const root = join(import.meta.dirname, '../../fixtures/golden');
  it.each(readdirSync(root))(
    'opens %s as transformers wrote it, and counts as PyTorch does',
    async (name) => {
      const { parameters } = JSON.parse(readFileSync(join(root, name, 'expected.json'), 'utf8')) as {
        parameters: number;
      };
      expect((await openCheckpoint(join(root, name))).summary.parameters).toBe(parameters);
    },
  );

  const stories = join(import.meta.dirname, '../../../../shared/data/stories260K');
  it.skipIf(!existsSync(stories))('opens the real stories260K', async () => {
    const { summary } = await openCheckpoint(stories);
    expect(summary).toMatchObject({
      parameters: 260_032,
      tied: true,
      tokenizer: { kind: 'BPE', size: 512 },
      shards: 1,
    });
  });

  it('refuses a path without a folder, and a folder without a valid config.json', async () => {
    const file = join(freshFolder(), 'file');
    const empty = freshFolder();
    writeFileSync(file, '');
    await expectAppError('file/not-found', () => openCheckpoint(join(empty, 'nothing')));
    await expectAppError('file/not-a-folder', () => openCheckpoint(file));
    await expectAppError('checkpoint/no-config', () => openCheckpoint(empty));
    writeFileSync(join(empty, 'config.json'), '{"model_type": "llama"');
    await expectAppError('file/bad-json', () => openCheckpoint(empty));
    writeFileSync(join(empty, 'config.json'), '[1]');
    await expectAppError('file/bad-json', () => openCheckpoint(empty));
  });

  it('reads growth.json, and refuses a damaged one', async () => {
    const dir = await makeTinyCheckpoint('llama');
    const path = join(dir, 'growth.json');
    const record = {
      version: 1,
      source: '/a',
      method: 'expand',
      plan: { version: 1 },
      certificate: null,
      cambium: '0',
    };
    writeFileSync(path, JSON.stringify(record));
    expect((await openCheckpoint(dir)).summary.grownFrom).toEqual({
      source: '/a',
      method: 'expand',
      certificate: null,
    });
    writeFileSync(path, '{"version":2}');
    await expectAppError('file/bad-json', () => openCheckpoint(dir));
  });
});

describe('readTensor', () => {
  it("reads a weight, ranges of it, and into the caller's memory", async () => {
    const checkpoint = await openCheckpoint(await makeTinyCheckpoint('llama'));
    const name = 'model.norm.weight';
    const all = await readTensor(checkpoint, name);
    const into = new Uint8Array(all.length);
    const part = new Uint8Array(10);
    expect(await readTensor(checkpoint, name, into)).toBe(into);
    expect(into).toEqual(all);
    await readTensorRange(checkpoint, name, 7, part);
    expect(part).toEqual(all.subarray(7, 17));
    await expect(readTensorRange(checkpoint, name, all.length - 5, part)).rejects.toThrow(RangeError);
    await expect(readTensor(checkpoint, name, part)).rejects.toThrow(RangeError);
  });
});

describe('checkFinite', () => {
  it('counts infinities and NaN', async () => {
    expect(() => {
      checkFinite(Float32Array.of(1, -3e38, 0), '/c', 'w');
    }).not.toThrow();
    const { detail } = await expectAppError('checkpoint/not-finite', () => {
      checkFinite(Float32Array.of(1, NaN, Infinity, -Infinity), '/c', 'w');
    });
    expect(detail).toEqual({ path: '/c', name: 'w', count: 3 });
  });
});
