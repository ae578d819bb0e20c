import {
  chmodSync,
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { families, familyById } from '../../../src-main/model/families/index.ts';
import {
  createCheckpointWriter,
  exportConfig,
  formatConfig,
  splitIntoShards,
  writeCertificate,
  type CheckpointWriterOptions,
} from '../../../src-main/store/checkpoint/checkpoint-writer.ts';
import {
  openCheckpoint,
  readTensor,
  type Checkpoint,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readSourceCard } from '../../../src-main/store/checkpoint/model-card.ts';
import { storedNameOf, type NameStyle } from '../../../src-main/model/tensor-names.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

const llama = familyById('llama');

/** Copies a checkpoint through the writer, weight by weight. */
async function copy(
  source: Checkpoint,
  more: Partial<CheckpointWriterOptions> = {},
  extra: Readonly<Record<string, string>> = {},
): Promise<{ target: string; files: readonly string[] }> {
  const target = freePath('copy');
  const writer = await createCheckpointWriter({
    target,
    family: source.family,
    nameStyle: source.nameStyle,
    config: source.config,
    tensors: source.summary.tensors,
    auxiliaryFilesFrom: source.dir,
    ...more,
  });
  for (const name of writer.order) {
    const bytes = await readTensor(source, name);
    const half = bytes.length >> 1;
    await writer.write(name, bytes.subarray(0, half));
    await writer.write(name, bytes.subarray(half));
  }
  return { target, files: await writer.finish(extra) };
}

describe.each([...families.keys()])('createCheckpointWriter for %s', (id) => {
  it('writes what openCheckpoint reads, for any shards, names, dtype and tied head', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom<NameStyle>('causal', 'base'),
        fc.constantFrom('float32', 'bfloat16', 'float16'),
        fc.boolean(),
        async (shards, nameStyle, dtype, tied) => {
          const source = await openCheckpoint(
            await makeTinyCheckpoint(id, {
              dtype,
              nameStyle,
              shards,
              settings: { tied },
            }),
          );
          const { target } = await copy(source, { maxShardBytes: Math.ceil(source.summary.bytes / shards) });
          const written = await openCheckpoint(target);
          const ignored = { dir: '', name: '', shards: 0 };
          expect({ ...written.summary, ...ignored }).toEqual({ ...source.summary, ...ignored });
          expect(written.nameStyle).toBe(nameStyle);
          for (const name of source.tensors.keys())
            expect(await readTensor(written, name)).toEqual(await readTensor(source, name));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('stores the names of the causal model or of its base model, and the head without a prefix', async () => {
    const family = familyById(id);
    for (const nameStyle of ['causal', 'base'] as const) {
      const source = await openCheckpoint(
        await makeTinyCheckpoint(id, { nameStyle, settings: { tied: false } }),
      );
      for (const { name, storedName } of source.tensors.values())
        expect(storedName).toBe(storedNameOf(family, nameStyle, name));
      expect(source.tensors.get(family.head.weight)!.storedName).toBe(family.head.weight);
    }
  });
});

describe('splitIntoShards', () => {
  const tensor = (name: string, count: number) => ({ name, dtype: 'float32', shape: [count] }) as const;

  it('keeps the order and the limit; a weight above the limit gets a shard to itself', () => {
    expect(
      splitIntoShards([tensor('a', 3), tensor('b', 2), tensor('c', 20), tensor('d', 1)], 20).map((s) => [
        s.file,
        s.tensors.map((t) => t.name).join(''),
      ]),
    ).toEqual([
      ['model-00001-of-00003.safetensors', 'ab'],
      ['model-00002-of-00003.safetensors', 'c'],
      ['model-00003-of-00003.safetensors', 'd'],
    ]);
    expect(splitIntoShards([tensor('a', 3)], 1).map((s) => s.file)).toEqual(['model.safetensors']);
  });

  it('comes with a sorted index and its totals, and without an index for one file', async () => {
    const source = await openCheckpoint(await makeTinyCheckpoint('llama'));
    const { target, files } = await copy(source, { maxShardBytes: source.summary.bytes / 3 });
    const text = readFileSync(join(target, 'model.safetensors.index.json'), 'utf8');
    const index = JSON.parse(text) as { metadata: object; weight_map: Record<string, string> };
    expect(text).toBe(`${JSON.stringify(index, null, 2)}\n`);
    expect(index.metadata).toEqual({
      total_parameters: source.summary.parameters,
      total_size: source.summary.bytes,
    });
    expect(Object.keys(index.weight_map)).toEqual([...source.tensors.keys()].sort());
    expect(new Set(Object.values(index.weight_map))).toEqual(
      new Set(files.filter((file) => file.endsWith('.safetensors'))),
    );
    expect((await copy(source)).files).toEqual(['config.json', 'model.safetensors']);
  });
});

describe('createCheckpointWriter', () => {
  it('copies auxiliary files, adds the model card and extra files, and copies nothing else', async () => {
    const dir = await makeTinyCheckpoint('llama', { tokenizer: true });
    const source = await openCheckpoint(dir);
    writeFileSync(join(dir, 'generation_config.json'), '\r\n{"eos_token_id" : 2}');
    for (const name of [
      'chat_template.jinja',
      'special_tokens_map.json',
      'added_tokens.json',
      'merges.txt',
      'vocab.json',
      'tokenizer.model',
      'LICENSE.txt',
      'secret.txt',
      'optimizer.pt',
    ])
      writeFileSync(join(dir, name), `\r\n${name}\0é`);
    writeFileSync(
      join(dir, 'README.md'),
      '---\nlanguage: en\nlicense: other\nlicense_name: "tiny-1"\nlicense_link: https://example.org/l\n---\n# Old',
    );
    chmodSync(join(dir, 'tokenizer.json'), 0o444);
    const modelCard = {
      summary: 'Grown.',
      baseModel: 'someone/tiny',
      tags: ['hypercloning'],
      license: (await readSourceCard(dir)).license!,
      facts: [['max |Δlogit|', '1e-6']] as const,
      limitations: ['Small.'],
    };
    const { target, files } = await copy(source, { modelCard }, { 'growth.json': '{}' });
    expect(files).toEqual([
      'LICENSE.txt',
      'README.md',
      'added_tokens.json',
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'growth.json',
      'merges.txt',
      'model.safetensors',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer.model',
      'tokenizer_config.json',
      'vocab.json',
    ]);
    expect(readdirSync(target).sort()).toEqual(files);
    for (const name of files.filter(
      (f) => !['README.md', 'config.json', 'growth.json', 'model.safetensors'].includes(f),
    ))
      expect(readFileSync(join(target, name))).toEqual(readFileSync(join(dir, name)));
    expect(statSync(join(target, 'tokenizer.json')).mode & 0o200).toBe(0o200);
    const text = readFileSync(join(target, 'README.md'), 'utf8');
    for (const line of [
      'license: other',
      'license_name: tiny-1',
      'license_link: https://example.org/l',
      'library_name: transformers',
      'pipeline_tag: text-generation',
      'base_model: someone/tiny',
      'base_model_relation: finetune',
      '- model-growth',
      '- hypercloning',
      `# ${basename(target)}`,
      '| max \\|Δlogit\\| | 1e-6 |',
      '- Small.',
    ])
      expect(text.split('\n')).toContain(line);
    expect(dirname(target) && readdirSync(dirname(target))).toEqual(['copy']);
  });

  it('leaves nothing after an abort, a wrong call, or without enough space', async () => {
    const source = await openCheckpoint(await makeTinyCheckpoint('llama'));
    const target = freePath('gone');
    const options = { target, family: llama, config: source.config, tensors: source.summary.tensors };
    const writer = await createCheckpointWriter(options);
    await writer.write(writer.order[0]!, (await readTensor(source, writer.order[0]!)).subarray(0, 3));
    expect(existsSync(target)).toBe(false);
    await writer.abort();
    await writer.abort();
    await expect(
      (await createCheckpointWriter(options)).write(writer.order[1]!, new Uint8Array(4)),
    ).rejects.toThrow('was due');
    await expect((await createCheckpointWriter(options)).write('nobody', new Uint8Array(4))).rejects.toThrow(
      'not among the weights',
    );
    await expect((await createCheckpointWriter(options)).finish()).rejects.toThrow('not complete');
    const { detail } = await expectAppError('file/no-space', () =>
      createCheckpointWriter({ ...options, getFreeBytes: () => Promise.resolve(1000) }),
    );
    expect(detail['needed']).toBeGreaterThan(source.summary.bytes);
    expect(readdirSync(dirname(target))).toEqual([]);
    await expectAppError('file/exists', () => createCheckpointWriter({ ...options, target: source.dir }));
  });
});

describe('exportConfig', () => {
  it('keeps unknown keys, removes paths and remote code, and sets the dtype under the key of the source', () => {
    const config = {
      model_type: 'llama',
      custom: { a: [1, null] },
      _name_or_path: '/x',
      auto_map: { AutoModel: 'evil.py' },
      architectures: ['Own'],
      dtype: 'float32',
      torch_dtype: 'float32',
    };
    expect(exportConfig(llama, config, 'bfloat16')).toEqual({
      model_type: 'llama',
      custom: { a: [1, null] },
      architectures: ['Own'],
      dtype: 'bfloat16',
      torch_dtype: 'bfloat16',
    });
    expect(exportConfig(llama, { dtype: 'float32' }, 'float16')).toEqual({
      dtype: 'float16',
      architectures: ['LlamaForCausalLM'],
    });
    expect(exportConfig(llama, { torch_dtype: 'x' }, 'float16')).toEqual({
      torch_dtype: 'float16',
      architectures: ['LlamaForCausalLM'],
    });
    expect(exportConfig(llama, {}, 'float32')).toEqual({
      torch_dtype: 'float32',
      architectures: ['LlamaForCausalLM'],
    });
  });
});

describe('formatConfig', () => {
  it('writes numbers that transformers validates as floats with a fraction', () => {
    const text = formatConfig(familyById('gemma2'), {
      final_logit_softcapping: 30,
      attn_logit_softcapping: 50.5,
      query_pre_attn_scalar: 256,
      nested: { final_logit_softcapping: 30 },
    });
    const lines = [
      '{',
      '  "final_logit_softcapping": 30.0,',
      '  "attn_logit_softcapping": 50.5,',
      '  "query_pre_attn_scalar": 256,',
      '  "nested": {',
      '    "final_logit_softcapping": 30',
      '  }',
      '}',
    ];
    expect(text).toBe(`${lines.join('\n')}\n`);
    expect(
      formatConfig(familyById('gemma2'), { final_logit_softcapping: null, attn_logit_softcapping: 50 }),
    ).toContain('"attn_logit_softcapping": 50.0\n');
    expect(formatConfig(familyById('llama'), { a: 1 })).toBe('{\n  "a": 1\n}\n');
  });
});

describe('writeCertificate', () => {
  it('adds the certificate to growth.json and keeps the rest', async () => {
    const dir = freshFolder();
    const record = {
      version: 1,
      source: '/s',
      method: 'expand',
      plan: { tensors: [1] },
      certificate: null,
      cambium: '0',
    };
    writeFileSync(join(dir, 'growth.json'), JSON.stringify(record));
    const certificate = {
      version: 2,
      tokens: 3,
      nonFinite: 0,
      maxLogit: 1e-6,
      rmsLogit: 1,
      kl: 0,
      lossSource: 1,
      lossGrown: 1,
      agreement: 1,
      newTokenShare: 0,
      promise: 'function-preserving',
      verdict: 'passed',
      tolerance: 1e-4,
      softmax: 'all-tokens',
      device: 'cpu',
      text: 'own',
    } as const;
    await writeCertificate(dir, certificate);
    expect(JSON.parse(readFileSync(join(dir, 'growth.json'), 'utf8'))).toEqual({ ...record, certificate });
    if (process.platform === 'win32') return;
    // A link out of the folder would bring a file of its owner into the folder, and to the Hub.
    const linked = freshFolder();
    symlinkSync(join(dir, 'growth.json'), join(linked, 'growth.json'));
    await expectAppError('checkpoint/link-outside', () => writeCertificate(linked, certificate));
  });
});
