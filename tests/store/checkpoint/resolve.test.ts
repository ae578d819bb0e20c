import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { families } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createOnes, editWeights, readConfig, setConfig } from './edit-checkpoint.ts';

describe.each([...families.values()].map((family) => [family.id, family] as const))(
  'resolving a tiny %s',
  (id, family) => {
    it('ignores the buffers of old checkpoints', async () => {
      const dir = await makeTinyCheckpoint(id);
      const buffers = [...family.ignoredKeys].map((pattern) =>
        pattern.source
          .replace(/^\^|\$$/g, '')
          .replaceAll('\\.', '.')
          .replace('\\d+', '0')
          .replace(/\(([^|)]*)\|[^)]*\)/, '$1'),
      );
      await editWeights(dir, (tensors) => {
        for (const name of buffers) tensors.set(name, createOnes(name, [3]));
      });
      const { tensors, dims, settings } = await openCheckpoint(dir);
      expect(tensors.size).toBe(parametersOf(family, dims, settings).length);
    });

    it('accepts a stored copy of a tied head, and refuses one that differs or is missing', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await makeTinyCheckpoint(id, { settings: { tied: true } });
      await editWeights(dir, (tensors) => {
        const embedding = tensors.get(tiedTo)!;
        tensors.set(weight, { tensor: { ...embedding.tensor, name: weight }, bytes: embedding.bytes });
      });
      expect((await openCheckpoint(dir)).tensors.has(weight)).toBe(false);
      await editWeights(dir, (tensors) => {
        const bytes = Uint8Array.from(tensors.get(weight)!.bytes);
        bytes[bytes.length - 1]! ^= 1;
        tensors.get(weight)!.bytes = bytes;
      });
      const differing = await expectAppError('checkpoint/bad-config', () => openCheckpoint(dir));
      expect(differing.message).toContain('two different weights; it should be false');
      const untied = await makeTinyCheckpoint(id, { settings: { tied: false } });
      await editWeights(untied, (tensors) => {
        tensors.delete(weight);
      });
      const missing = await expectAppError('checkpoint/bad-config', () => openCheckpoint(untied));
      expect(missing.message).toContain(`there is no ${weight}; it should be true if the head is ${tiedTo}`);
    });

    it('refuses a config that disagrees with the weights', async () => {
      const getKey = (axis: string): string => family.dims[axis]!.keys[0]!;
      const dir = await makeTinyCheckpoint(id);
      const before = readConfig(dir);
      const openWith = async (change: Record<string, unknown>): Promise<void> => {
        writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...before, ...change }));
        await openCheckpoint(dir);
      };
      const { detail } = await expectAppError('checkpoint/wrong-shape', () =>
        openWith({ [getKey('ffn')]: 25 }),
      );
      expect(detail['path']).toBe(dir);
      // A fused gate and up projection has twice as many rows.
      const expected = detail['expected'] as readonly number[];
      expect(Math.max(...expected.map((size) => Number(size % 25 === 0)))).toBe(1);
      await expectAppError('checkpoint/wrong-shape', () => openWith({ [getKey('vocab')]: 63 }));
      const layers = getKey('layers');
      const more = await expectAppError('checkpoint/missing-tensors', () => openWith({ [layers]: 3 }));
      expect(more.message).toContain('lacks');
      const fewer = await expectAppError('checkpoint/bad-config', () => openWith({ [layers]: 1 }));
      expect(fewer.message).toMatch(/is 1, but the files hold .*1/);
      const huge = await expectAppError('checkpoint/bad-config', () => openWith({ [layers]: 2_000_000_000 }));
      expect(huge.message).toContain('hold only');
      await expectAppError('checkpoint/bad-config', () => openWith({ [getKey('hidden')]: 'wide' }));
      await expectAppError('checkpoint/bad-config', () => openWith({ [getKey('hidden')]: -16 }));
      await expectAppError('checkpoint/bad-config', () => openWith({ [getKey('vocab')]: undefined }));
    });
  },
);

/** Changes the dtype of `model.norm.weight` in the header, and its shape so that its bytes stay the same. */
function setNormDType(dir: string, dtype: string, elementBytes: number): void {
  const path = join(dir, 'model.safetensors');
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[] }
  >;
  const norm = header['model.norm.weight']!;
  header['model.norm.weight'] = { ...norm, dtype, shape: [(norm.shape[0]! * 4) / elementBytes] };
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([head, text, file.subarray(8 + length)]));
}

describe('resolveCheckpoint', () => {
  it('refuses an unknown family', async () => {
    const dir = await makeTinyCheckpoint('llama');
    setConfig(dir, { model_type: 'mamba' });
    const { message } = await expectAppError('checkpoint/unknown-family', () => openCheckpoint(dir));
    expect(message).toContain('"mamba"');
  });

  it('refuses quantized models, recognised by config.json or by the dtype of a weight', async () => {
    const dir = await makeTinyCheckpoint('llama');
    setConfig(dir, { quantization_config: { quant_method: 'gptq', bits: 4 } });
    const { message } = await expectAppError('checkpoint/quantized', () => openCheckpoint(dir));
    expect(message).toContain('gptq');
    for (const [dtype, elementBytes] of [
      ['I8', 1],
      ['F8_E4M3', 1],
    ] as const) {
      const packed = await makeTinyCheckpoint('llama');
      setNormDType(packed, dtype, elementBytes);
      const found = await expectAppError('checkpoint/quantized', () => openCheckpoint(packed));
      expect(found.message).toContain(`model.norm.weight is ${dtype}`);
    }
  });

  it('refuses weights that are unknown, missing, of an unknown dtype or cut off', async () => {
    const dir = await makeTinyCheckpoint('llama');
    await editWeights(dir, (tensors) => {
      tensors.set('model.extra.weight', createOnes('model.extra.weight', [2]));
    });
    const unknown = await expectAppError('checkpoint/unknown-tensors', () => openCheckpoint(dir));
    expect(unknown.detail).toMatchObject({ names: ['model.extra.weight'] });
    await editWeights(dir, (tensors) => {
      tensors.delete('model.extra.weight');
      tensors.delete('model.norm.weight');
    });
    const missing = await expectAppError('checkpoint/missing-tensors', () => openCheckpoint(dir));
    expect(missing.detail).toMatchObject({ names: ['model.norm.weight'] });
    await editWeights(dir, (tensors) => {
      tensors.set('model.norm.weight', {
        tensor: { name: 'model.norm.weight', dtype: 'float64', shape: [16] },
        bytes: new Uint8Array(128),
      });
    });
    const { message } = await expectAppError('safetensors/unknown-dtype', () => openCheckpoint(dir));
    expect(message).toContain('model.norm.weight has dtype F64');
    truncateSync(join(dir, 'model.safetensors'), 1000);
    await expectAppError('safetensors/truncated', () => openCheckpoint(dir));
  });

  it('refuses a weight that is stored twice, with and without the prefix', async () => {
    const dir = await makeTinyCheckpoint('gpt2');
    await editWeights(dir, (tensors) => {
      const embedding = tensors.get('wte.weight')!;
      const name = 'transformer.wte.weight';
      tensors.set(name, { ...embedding, tensor: { ...embedding.tensor, name } });
    });
    await expectAppError('checkpoint/unknown-tensors', () => openCheckpoint(dir));
  });
});
