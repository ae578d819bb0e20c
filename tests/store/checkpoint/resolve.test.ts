import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { families } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { storedNameOf } from '../../../src-main/model/tensor-names.ts';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { downcast, upcast } from '../../../src-main/tensor/dtype.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { layeredConfig, makeTinyCheckpoint } from '../../support/tiny.ts';
import { createOnes, editWeights, readConfig, setConfig } from './edit-checkpoint.ts';

describe.each([...families.values()].map((family) => [family.id, family] as const))(
  'resolving a tiny %s',
  (id, family) => {
    const stored = (name: string): string => storedNameOf(family, 'causal', name);

    it('ignores buffers and lists them', async () => {
      const dir = await makeTinyCheckpoint(id);
      const rotary = family.rope
        ? ['rotary_emb.inv_freq', 'model.layers.1.self_attn.rotary_emb.cos_cached']
        : [];
      const buffers = ['h.0.attn.bias', 'layers.0.attention.masked_bias', 'causal_mask', ...rotary];
      await editWeights(dir, (tensors) => {
        for (const name of buffers) tensors.set(name, createOnes(name, [3, 3]));
      });
      const { tensors, dims, settings, summary } = await openCheckpoint(dir);
      expect(tensors.size).toBe(parametersOf(family, dims, settings).length);
      expect([...summary.ignored!].sort()).toEqual(buffers.sort());
    });

    it('leaves out a stored copy of a tied head, also one of another dtype', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await makeTinyCheckpoint(id, { settings: { tied: true } });
      await editWeights(dir, (tensors) => {
        const embedding = tensors.get(stored(tiedTo))!;
        tensors.set(weight, { tensor: { ...embedding.tensor, name: weight }, bytes: embedding.bytes });
      });
      const copied = await openCheckpoint(dir);
      expect(copied.tensors.has(weight)).toBe(false);
      expect(copied.summary).toMatchObject({ tied: true, notes: [] });
      setConfig(dir, { torch_dtype: 'bfloat16' });
      await editWeights(dir, (tensors) => {
        const { tensor, bytes } = tensors.get(stored(tiedTo))!;
        const rounded = downcast(upcast(bytes, 'float32'), 'bfloat16');
        tensors.set(weight, { tensor: { ...tensor, name: weight, dtype: 'bfloat16' }, bytes: rounded });
      });
      const rounded = await openCheckpoint(dir);
      expect(rounded.tensors.has(weight)).toBe(false);
      expect(rounded.summary.tied).toBe(true);
      expect(rounded.summary.notes![0]).toMatch(/is BF16 and .* F32, with equal values; the head is tied/);
    });

    it('unties a stored head that differs, as transformers does', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await makeTinyCheckpoint(id, { settings: { tied: true } });
      await editWeights(dir, (tensors) => {
        const embedding = tensors.get(stored(tiedTo))!;
        const bytes = Uint8Array.from(embedding.bytes);
        bytes[bytes.length - 1]! ^= 1;
        tensors.set(weight, { tensor: { ...embedding.tensor, name: weight }, bytes });
      });
      const { tensors, summary, settings, config } = await openCheckpoint(dir);
      expect(tensors.has(weight)).toBe(true);
      expect([summary.tied, settings['tied'], config['tie_word_embeddings']]).toEqual([false, false, false]);
      expect(summary.notes![0]).toContain(`${weight} differs from ${stored(tiedTo)}`);
    });

    it('uses a tied head as the embedding if only the head is stored', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await makeTinyCheckpoint(id, { settings: { tied: true } });
      const before = await openCheckpoint(dir);
      const values = await readTensor(before, tiedTo);
      await editWeights(dir, (tensors) => {
        const { tensor, bytes } = tensors.get(stored(tiedTo))!;
        tensors.delete(stored(tiedTo));
        tensors.set(weight, { tensor: { ...tensor, name: weight }, bytes });
      });
      const checkpoint = await openCheckpoint(dir);
      expect(await readTensor(checkpoint, tiedTo)).toEqual(values);
      expect(checkpoint.tensors.has(weight)).toBe(false);
      expect(checkpoint.summary.notes![0]).toContain(`${weight} is used as ${tiedTo} too`);
    });

    it('refuses a file without a head if it is not tied', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await makeTinyCheckpoint(id, { settings: { tied: false } });
      await editWeights(dir, (tensors) => {
        tensors.delete(weight);
      });
      const missing = await expectAppError('checkpoint/bad-config', () => openCheckpoint(dir));
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
        openWith(family.dims['ffn']!.keys.length > 0 ? { [getKey('ffn')]: 25 } : { [getKey('hidden')]: 50 }),
      );
      expect(detail['path']).toBe(dir);
      // A fused gate and up projection has twice as many rows.
      const expected = detail['expected'] as readonly number[];
      expect(Math.max(...expected.map((size) => Number(size % 25 === 0)))).toBe(1);
      await expectAppError('checkpoint/wrong-shape', () => openWith({ [getKey('vocab')]: 63 }));
      const layers = getKey('layers');
      const lists = layeredConfig[id];
      const openWithLayers = (n: number): Promise<void> => openWith({ [layers]: n, ...lists?.(n) });
      const more = await expectAppError('checkpoint/missing-tensors', () => openWithLayers(3));
      expect(more.message).toContain('lacks');
      const fewer = await expectAppError('checkpoint/bad-config', () => openWithLayers(1));
      expect(fewer.message).toMatch(/is 1, but the files hold .*1/);
      // A list of as many layers does not fit in a file, so the list is what disagrees.
      const code = lists ? 'checkpoint/unsupported' : 'checkpoint/bad-config';
      const huge = await expectAppError(code, () => openWith({ [layers]: 2_000_000_000 }));
      expect(huge.message).toContain(lists ? 'it lists 2 layers' : 'hold only');
      await expectAppError('checkpoint/bad-config', () => openWith({ [getKey('hidden')]: 'wide' }));
      await expectAppError('checkpoint/bad-config', () => openWith({ [getKey('hidden')]: -16 }));
      const absent = await expectAppError('checkpoint/bad-config', () =>
        openWith({ [getKey('vocab')]: undefined }),
      );
      expect(absent.message).toMatch(
        /vocab_size is missing, and the default of transformers \(\d+\) does not/,
      );
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
      const embedding = tensors.get('transformer.wte.weight')!;
      tensors.set('wte.weight', { ...embedding, tensor: { ...embedding.tensor, name: 'wte.weight' } });
    });
    const { message } = await expectAppError('checkpoint/stored-twice', () => openCheckpoint(dir));
    expect(message).toMatch(/transformer\.wte\.weight.*wte\.weight|wte\.weight.*transformer\.wte\.weight/);
  });

  it('reads GPT-2 sizes under the other names of transformers, and writes down its own', async () => {
    const dir = await makeTinyCheckpoint('gpt2');
    const { n_embd, n_layer, n_head, n_positions, ...rest } = readConfig(dir);
    const before = await openCheckpoint(dir);
    const others = {
      hidden_size: n_embd,
      num_hidden_layers: n_layer,
      num_attention_heads: n_head,
      max_position_embeddings: n_positions,
    };
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...rest, ...others }));
    const { dims, config, summary } = await openCheckpoint(dir);
    expect(dims).toEqual(before.dims);
    expect(config).toMatchObject({ n_embd, n_layer, n_head, n_positions });
    expect(config).not.toHaveProperty('hidden_size');
    expect(summary.notes).toContain('hidden_size is read as n_embd, as in transformers');
  });

  it('reads both rotary objects as transformers does', async () => {
    const dir = await makeTinyCheckpoint('llama', {
      config: {
        rope_parameters: { rope_type: 'default', rope_theta: 500 },
        rope_scaling: { type: 'linear', factor: 4 },
      },
    });
    const { settings, summary } = await openCheckpoint(dir);
    expect(settings).toMatchObject({ ropeType: 'linear', ropeFactor: 4, ropeTheta: 10_000 });
    expect(summary.notes).toEqual(['rope_scaling replaces rope_parameters, as in transformers']);
    setConfig(dir, { rope_scaling: { rope_type: 'spiral', factor: 4 } });
    await expectAppError('checkpoint/unsupported', () => openCheckpoint(dir));
    setConfig(dir, { rope_scaling: { rope_type: 'linear' } });
    const { detail } = await expectAppError('checkpoint/bad-config', () => openCheckpoint(dir));
    expect(detail).toMatchObject({ path: join(dir, 'config.json'), key: 'factor' });
  });

  it('computes with the dtype of the weights where config.json names none', async () => {
    const dir = await makeTinyCheckpoint('gemma', { dtype: 'bfloat16' });
    const before = await openCheckpoint(dir);
    setConfig(dir, { torch_dtype: null });
    expect((await openCheckpoint(dir)).settings).toEqual(before.settings);
    expect(before.settings['dtype']).toBe('bfloat16');
  });
});
