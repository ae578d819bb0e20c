import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { families } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import {
  checkFinite,
  openCheckpoint,
  readTensor,
  readTensorRange,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import {
  createSafetensors,
  readHeader,
  type SafetensorsTensor,
} from '../../../src-main/store/checkpoint/safetensors.ts';
import { widen, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyValues, type TinyOptions } from '../../support/tiny.ts';

const make = (id = 'llama', options: TinyOptions = {}): Promise<string> =>
  makeTinyCheckpoint(id, { dir: freePath('tiny'), ...options });
const configOf = (dir: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>;
const setConfig = (dir: string, change: Record<string, unknown>): void => {
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...configOf(dir), ...change }));
};

/** Rewrites model.safetensors with tensors added, dropped or changed. */
async function rewrite(
  dir: string,
  change: (tensors: Map<string, { tensor: SafetensorsTensor; bytes: Uint8Array }>) => void,
): Promise<void> {
  const path = join(dir, 'model.safetensors');
  const file = readFileSync(path);
  const tensors = new Map<string, { tensor: SafetensorsTensor; bytes: Uint8Array }>();
  for (const { name, shape, start, bytes } of (await readHeader(path)).entries.values())
    tensors.set(name, {
      tensor: { name, dtype: 'float32', shape },
      bytes: file.subarray(start, start + bytes),
    });
  change(tensors);
  rmSync(path);
  const writer = await createSafetensors(
    path,
    [...tensors.values()].map((t) => t.tensor),
  );
  for (const name of writer.order) await writer.write(name, tensors.get(name)!.bytes);
  await writer.finish();
}
const ones = (name: string, shape: readonly number[]): { tensor: SafetensorsTensor; bytes: Uint8Array } => ({
  tensor: { name, dtype: 'float32', shape },
  bytes: new Uint8Array(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 1).buffer),
});

describe.each([...families.values()].map((family) => [family.id, family] as const))(
  'a tiny %s',
  (id, family) => {
    it.each(weightDTypes)('opens with every weight at its place, %s', async (dtype) => {
      for (const shards of [1, 3])
        for (const tied of [true, false])
          for (const prefix of ['', ...family.aliases]) {
            const checkpoint = await openCheckpoint(
              await make(id, { dtype, shards, prefix, settings: { tied } }),
            );
            const expected = parametersOf(family, checkpoint.dims, checkpoint.settings);
            expect([...checkpoint.refs.keys()]).toEqual(expected.map((p) => p.name));
            expect(checkpoint.refs.has(family.head.weight)).toBe(!tied);
            expect(checkpoint.prefix).toBe(prefix);
            expect(checkpoint.card).toMatchObject({ family: id, tied, dtypes: [dtype], tokenizer: null });
            expect(checkpoint.card.shards > 1).toBe(shards > 1);
            expect(checkpoint.card.parameters).toBe(
              checkpoint.card.tensors.reduce((n, t) => n + t.shape.reduce((a, b) => a * b, 1), 0),
            );
            for (const parameter of expected) {
              const values = widen(await readTensor(checkpoint, parameter.name), dtype);
              const wanted = tinyValues(parameter, checkpoint.dims, 1);
              const worst = values.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i]!)), 0);
              expect(worst, parameter.name).toBeLessThanOrEqual(
                { float32: 0, float16: 2 ** -9, bfloat16: 2 ** -6 }[dtype],
              );
            }
          }
    });

    it('skips the buffers of old files', async () => {
      const dir = await make(id);
      const buffers = [...family.ignorable].map((pattern) =>
        pattern.source
          .replace(/^\^|\$$/g, '')
          .replaceAll('\\.', '.')
          .replace('\\d+', '0')
          .replace(/\(([^|)]*)\|[^)]*\)/, '$1'),
      );
      await rewrite(dir, (tensors) => {
        for (const name of buffers) tensors.set(name, ones(name, [3]));
      });
      const { refs, dims, settings } = await openCheckpoint(dir);
      expect(refs.size).toBe(parametersOf(family, dims, settings).length);
    });

    it('takes a stored copy of a tied head, and refuses one that differs or is missing', async () => {
      const { weight, tiedTo } = family.head;
      const dir = await make(id, { settings: { tied: true } });
      await rewrite(dir, (tensors) => {
        const table = tensors.get(tiedTo)!;
        tensors.set(weight, { tensor: { ...table.tensor, name: weight }, bytes: table.bytes });
      });
      expect((await openCheckpoint(dir)).refs.has(weight)).toBe(false);
      await rewrite(dir, (tensors) => {
        const bytes = Uint8Array.from(tensors.get(weight)!.bytes);
        bytes[bytes.length - 1]! ^= 1;
        tensors.get(weight)!.bytes = bytes;
      });
      expect((await refusal('checkpoint/bad-config', () => openCheckpoint(dir))).message).toContain(
        'two different weights; it should be false',
      );
      const untied = await make(id, { settings: { tied: false } });
      await rewrite(untied, (tensors) => {
        tensors.delete(weight);
      });
      expect((await refusal('checkpoint/bad-config', () => openCheckpoint(untied))).message).toContain(
        `there is no ${weight}; it should be true if the head is ${tiedTo}`,
      );
    });

    it('refuses a config that disagrees with the weights', async () => {
      const key = (axis: string): string => family.dims[axis]!.keys[0]!;
      const dir = await make(id);
      const before = configOf(dir);
      const broken = async (change: Record<string, unknown>): Promise<void> => {
        writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...before, ...change }));
        await openCheckpoint(dir);
      };
      const { detail } = await refusal('checkpoint/wrong-shape', () => broken({ [key('ffn')]: 25 }));
      expect(detail['path']).toBe(dir);
      expect(
        Math.max(...(detail['expected'] as readonly number[]).map((side) => Number(side % 25 === 0))),
      ).toBe(1); // a fused gate and up is twice as long
      await refusal('checkpoint/wrong-shape', () => broken({ [key('vocab')]: 63 }));
      expect(
        (await refusal('checkpoint/missing-tensors', () => broken({ [key('layers')]: 3 }))).message,
      ).toContain('lacks');
      expect((await refusal('checkpoint/bad-config', () => broken({ [key('layers')]: 1 }))).message).toMatch(
        /is 1, but the files hold .*1/,
      );
      expect(
        (await refusal('checkpoint/bad-config', () => broken({ [key('layers')]: 2_000_000_000 }))).message,
      ).toContain('hold only');
      await refusal('checkpoint/bad-config', () => broken({ [key('hidden')]: 'wide' }));
      await refusal('checkpoint/bad-config', () => broken({ [key('hidden')]: -16 }));
      await refusal('checkpoint/bad-config', () => broken({ [key('vocab')]: undefined }));
    });
  },
);

describe('golden folders that transformers wrote', () => {
  const root = join(import.meta.dirname, '../../fixtures/golden');
  it.each(readdirSync(root))('%s opens, and has the count that PyTorch counts', async (name) => {
    const { parameters } = JSON.parse(readFileSync(join(root, name, 'expected.json'), 'utf8')) as {
      parameters: number;
    };
    expect((await openCheckpoint(join(root, name))).card.parameters).toBe(parameters);
  });
});

describe('bad folders', () => {
  it('that are none, or hold no checkpoint', async () => {
    const file = join(freshFolder(), 'file');
    const empty = freshFolder();
    writeFileSync(file, '');
    await refusal('file/not-found', () => openCheckpoint(join(empty, 'nothing')));
    await refusal('file/not-a-folder', () => openCheckpoint(file));
    await refusal('checkpoint/no-config', () => openCheckpoint(empty));
    writeFileSync(join(empty, 'config.json'), '{"model_type": "llama"');
    await refusal('file/bad-json', () => openCheckpoint(empty));
    writeFileSync(join(empty, 'config.json'), '[1]');
    await refusal('file/bad-json', () => openCheckpoint(empty));
  });

  it('of a family that is unknown', async () => {
    const dir = await make();
    setConfig(dir, { model_type: 'mamba' });
    expect((await refusal('checkpoint/unknown-family', () => openCheckpoint(dir))).message).toContain(
      '"mamba"',
    );
  });

  it('without weights, with only a pickle, and with only an adapter', async () => {
    const dir = await make();
    rmSync(join(dir, 'model.safetensors'));
    await refusal('checkpoint/no-weights', () => openCheckpoint(dir));
    for (const name of [
      'pytorch_model.bin',
      'model.pt',
      'model.pth',
      'last.ckpt',
      'pytorch_model.bin.index.json',
    ]) {
      writeFileSync(join(dir, name), 'x');
      expect((await refusal('checkpoint/pickle-only', () => openCheckpoint(dir))).detail).toMatchObject({
        path: dir,
        file: name,
      });
      rmSync(join(dir, name));
    }
    writeFileSync(join(dir, 'adapter_config.json'), '{}');
    writeFileSync(join(dir, 'adapter_model.safetensors'), 'x');
    await refusal('checkpoint/adapter', () => openCheckpoint(dir));
    rmSync(join(dir, 'config.json'));
    await refusal('checkpoint/adapter', () => openCheckpoint(dir));
  });

  it('quantized: said by config.json, or by the weights', async () => {
    const dir = await make();
    setConfig(dir, { quantization_config: { quant_method: 'gptq', bits: 4 } });
    expect((await refusal('checkpoint/quantized', () => openCheckpoint(dir))).message).toContain('gptq');
    for (const [word, bytes] of [
      ['I8', 1],
      ['F8_E4M3', 1],
    ] as const) {
      const packed = await make();
      const path = join(packed, 'model.safetensors');
      const file = readFileSync(path);
      const length = Number(file.readBigUInt64LE());
      const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
        string,
        { dtype: string; shape: number[] }
      >;
      header['model.norm.weight'] = {
        ...header['model.norm.weight']!,
        dtype: word,
        shape: [(header['model.norm.weight']!.shape[0]! * 4) / bytes],
      };
      const text = Buffer.from(JSON.stringify(header));
      const head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(path, Buffer.concat([head, text, file.subarray(8 + length)]));
      expect((await refusal('checkpoint/quantized', () => openCheckpoint(packed))).message).toContain(
        `model.norm.weight is ${word}`,
      );
    }
  });

  it('with weights of a dtype, a name or a number that does not belong', async () => {
    const dir = await make();
    const path = join(dir, 'model.safetensors');
    await rewrite(dir, (tensors) => {
      tensors.set('model.extra.weight', ones('model.extra.weight', [2]));
    });
    expect((await refusal('checkpoint/unknown-tensors', () => openCheckpoint(dir))).detail).toMatchObject({
      names: ['model.extra.weight'],
    });
    await rewrite(dir, (tensors) => {
      tensors.delete('model.extra.weight');
      tensors.delete('model.norm.weight');
    });
    expect((await refusal('checkpoint/missing-tensors', () => openCheckpoint(dir))).detail).toMatchObject({
      names: ['model.norm.weight'],
    });
    await rewrite(dir, (tensors) => {
      tensors.set('model.norm.weight', {
        tensor: { name: 'model.norm.weight', dtype: 'float64', shape: [16] },
        bytes: new Uint8Array(128),
      });
    });
    expect((await refusal('safetensors/unknown-dtype', () => openCheckpoint(dir))).message).toContain(
      'model.norm.weight has dtype F64',
    );
    truncateSync(path, 1000);
    await refusal('safetensors/truncated', () => openCheckpoint(dir));
  });

  it('that no weight can be read twice from', async () => {
    const dir = await make('gpt2');
    await rewrite(dir, (tensors) => {
      tensors.set('transformer.wte.weight', {
        ...tensors.get('wte.weight')!,
        tensor: { ...tensors.get('wte.weight')!.tensor, name: 'transformer.wte.weight' },
      });
    });
    await refusal('checkpoint/unknown-tensors', () => openCheckpoint(dir));
  });
});

describe('shards', () => {
  const index = 'model.safetensors.index.json';
  const names = (dir: string): string[] =>
    readdirSync(dir)
      .filter((name) => name.endsWith('.safetensors'))
      .sort();
  const renamed = (dir: string, to: string): void => {
    const { weight_map: map } = JSON.parse(readFileSync(join(dir, index), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    const first = names(dir)[0]!;
    writeFileSync(
      join(dir, index),
      JSON.stringify({
        weight_map: Object.fromEntries(
          Object.entries(map).map(([name, file]) => [name, file === first ? to : file]),
        ),
      }),
    );
  };

  it('are refused when one is missing, and are found without an index', async () => {
    const dir = await make('llama', { shards: 3 });
    rmSync(join(dir, index));
    expect((await openCheckpoint(dir)).card.shards).toBe(names(dir).length);
    const gone = await make('llama', { shards: 3 });
    const file = names(gone)[1]!;
    rmSync(join(gone, file));
    expect((await refusal('checkpoint/missing-shard', () => openCheckpoint(gone))).detail).toEqual({
      path: gone,
      file,
    });
    rmSync(join(gone, index));
    await refusal('checkpoint/missing-tensors', () => openCheckpoint(gone));
  });

  it.each([
    '../outside.safetensors',
    'a/../../outside.safetensors',
    '/etc/passwd',
    'C:\\weights.safetensors',
    '..\\outside.safetensors',
    '..',
  ])('may not lie at %s', async (file) => {
    const dir = await make('llama', { shards: 3 });
    cpSync(join(dir, names(dir)[0]!), join(dirname(dir), 'outside.safetensors'));
    renamed(dir, file);
    expect((await refusal('checkpoint/shard-outside', () => openCheckpoint(dir))).detail).toEqual({
      path: dir,
      file,
    });
  });

  it('may not be links that leave the folder, except inside one repository of the Hugging Face cache', async () => {
    const dir = await make('llama', { shards: 3 });
    const file = names(dir)[0]!;
    const away = join(freshFolder(), 'blob');
    renameSync(join(dir, file), away);
    symlinkSync(away, join(dir, file));
    await refusal('checkpoint/shard-outside', () => openCheckpoint(dir));

    const cache = join(freshFolder(), 'models--someone--tiny');
    const snapshot = join(cache, 'snapshots', 'abc');
    mkdirSync(join(cache, 'blobs'), { recursive: true });
    cpSync(await make(), snapshot, { recursive: true });
    renameSync(join(snapshot, 'model.safetensors'), join(cache, 'blobs', '123'));
    symlinkSync('../../blobs/123', join(snapshot, 'model.safetensors'));
    expect((await openCheckpoint(snapshot)).card.name).toBe('someone/tiny');
    rmSync(join(snapshot, 'model.safetensors'));
    symlinkSync(away, join(snapshot, 'model.safetensors'));
    await refusal('checkpoint/shard-outside', () => openCheckpoint(snapshot));
  });

  it('need an index that says where weights are', async () => {
    const dir = await make('llama', { shards: 3 });
    for (const text of ['{', '[]', '{}', '{"weight_map":{}}', '{"weight_map":{"a":3}}']) {
      writeFileSync(join(dir, index), text);
      await refusal('file/bad-json', () => openCheckpoint(dir));
    }
  });
});

describe('reading', () => {
  it("gives ranges of a weight, and into the caller's own memory", async () => {
    const checkpoint = await openCheckpoint(await make());
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

  it('reads growth.json, and refuses a damaged one', async () => {
    const dir = await make();
    const path = join(dir, 'growth.json');
    writeFileSync(
      path,
      JSON.stringify({
        version: 1,
        source: '/a',
        method: 'expand',
        plan: { version: 1 },
        certificate: null,
        cambium: '0',
      }),
    );
    expect((await openCheckpoint(dir)).card.grownFrom).toEqual({
      source: '/a',
      method: 'expand',
      certificate: null,
    });
    writeFileSync(path, '{"version":2}');
    await refusal('file/bad-json', () => openCheckpoint(dir));
  });

  it('counts what is not finite', async () => {
    expect(() => {
      checkFinite(Float32Array.of(1, -3e38, 0), '/c', 'w');
    }).not.toThrow();
    expect(
      (
        await refusal('checkpoint/not-finite', () => {
          checkFinite(Float32Array.of(1, NaN, Infinity, -Infinity), '/c', 'w');
        })
      ).detail,
    ).toEqual({ path: '/c', name: 'w', count: 3 });
  });

  const stories = join(import.meta.dirname, '../../../../shared/data/stories260K');
  it.skipIf(!existsSync(stories))('opens the real stories260K', async () => {
    const { card } = await openCheckpoint(stories);
    expect(card).toMatchObject({
      parameters: 260_032,
      tied: true,
      tokenizer: { kind: 'BPE', size: 512 },
      shards: 1,
    });
  });
});
