import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { families, familyById } from '../../../src-main/model/families/index.ts';
import {
  configText,
  createCheckpointWriter,
  exportConfig,
  recordCertificate,
  shardsOf,
  type CheckpointWriterOptions,
} from '../../../src-main/store/checkpoint/checkpoint-writer.ts';
import {
  openCheckpoint,
  readTensor,
  type Checkpoint,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import { licenseOf } from '../../../src-main/store/checkpoint/model-card.ts';
import { refusal } from '../../support/refusal.ts';
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
    prefix: source.prefix,
    config: source.config,
    tensors: source.card.tensors,
    sideFilesFrom: source.dir,
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

describe.each([...families.keys()])('%s', (id) => {
  it('reads back as it was written, whatever the shards, the prefix, the dtype and the tie', async () => {
    const { aliases } = familyById(id);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom('', ...aliases),
        fc.constantFrom('float32', 'bfloat16', 'float16'),
        fc.boolean(),
        async (shards, prefix, dtype, tied) => {
          const source = await openCheckpoint(
            await makeTinyCheckpoint(id, {
              dir: freePath('tiny'),
              dtype,
              prefix,
              shards,
              settings: { tied },
            }),
          );
          const { target } = await copy(source, { shardBytes: Math.ceil(source.card.bytes / shards) });
          const again = await openCheckpoint(target);
          expect({ ...again.card, dir: '', name: '', shards: 0 }).toEqual({
            ...source.card,
            dir: '',
            name: '',
            shards: 0,
          });
          expect(again.prefix).toBe(source.prefix);
          for (const name of source.refs.keys())
            expect(await readTensor(again, name)).toEqual(await readTensor(source, name));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('names its weights as the source does: the head stands outside the prefix', async () => {
    for (const prefix of familyById(id).aliases) {
      const source = await openCheckpoint(
        await makeTinyCheckpoint(id, { dir: freePath('tiny'), prefix, settings: { tied: false } }),
      );
      expect([...source.refs.values()].map((ref) => ref.stored)).toEqual(
        [...source.refs.keys()].map((name) => (name === source.family.head.weight ? name : prefix + name)),
      );
    }
  });
});

describe('shards', () => {
  const tensor = (name: string, count: number) => ({ name, dtype: 'float32', shape: [count] }) as const;

  it('keep the order and the limit; one weight above the limit stands alone', () => {
    expect(
      shardsOf([tensor('a', 3), tensor('b', 2), tensor('c', 20), tensor('d', 1)], 20).map((s) => [
        s.file,
        s.tensors.map((t) => t.name).join(''),
      ]),
    ).toEqual([
      ['model-00001-of-00003.safetensors', 'ab'],
      ['model-00002-of-00003.safetensors', 'c'],
      ['model-00003-of-00003.safetensors', 'd'],
    ]);
    expect(shardsOf([tensor('a', 3)], 1).map((s) => s.file)).toEqual(['model.safetensors']);
  });

  it('have a sorted index with both totals, indented by two, with a last newline; one file has none', async () => {
    const source = await openCheckpoint(await makeTinyCheckpoint('llama', { dir: freePath('tiny') }));
    const { target, files } = await copy(source, { shardBytes: source.card.bytes / 3 });
    const text = readFileSync(join(target, 'model.safetensors.index.json'), 'utf8');
    const index = JSON.parse(text) as { metadata: object; weight_map: Record<string, string> };
    expect(text).toBe(`${JSON.stringify(index, null, 2)}\n`);
    expect(index.metadata).toEqual({
      total_parameters: source.card.parameters,
      total_size: source.card.bytes,
    });
    expect(Object.keys(index.weight_map)).toEqual([...source.refs.keys()].sort());
    expect(new Set(Object.values(index.weight_map))).toEqual(
      new Set(files.filter((file) => file.endsWith('.safetensors'))),
    );
    expect((await copy(source)).files).toEqual(['config.json', 'model.safetensors']);
  });
});

describe('the folder', () => {
  it("has the side files byte for byte, the card, the extra files, and no file of the source's weights", async () => {
    const dir = await makeTinyCheckpoint('llama', { dir: freePath('tiny'), tokenizer: true });
    const source = await openCheckpoint(dir);
    for (const name of [
      'generation_config.json',
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
    const card = {
      summary: 'Grown.',
      base: 'someone/tiny',
      tags: ['hypercloning'],
      license: (await licenseOf(dir))!,
      facts: [['max |Δlogit|', '1e-6']] as const,
      limits: ['Small.'],
    };
    const { target, files } = await copy(source, { card }, { 'growth.json': '{}' });
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
      'license_link: "https://example.org/l"',
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

  it('is gone after an abort, a mistake, or too little space', async () => {
    const source = await openCheckpoint(await makeTinyCheckpoint('llama', { dir: freePath('tiny') }));
    const target = freePath('gone');
    const options = { target, family: llama, config: source.config, tensors: source.card.tensors };
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
    const { detail } = await refusal('file/no-space', () =>
      createCheckpointWriter({ ...options, free: () => Promise.resolve(1000) }),
    );
    expect(detail['needed']).toBeGreaterThan(source.card.bytes);
    expect(readdirSync(dirname(target))).toEqual([]);
    await refusal('file/exists', () => createCheckpointWriter({ ...options, target: source.dir }));
  });
});

describe('config.json', () => {
  it('keeps what it does not know, drops what names another place, and says the dtype as the source does', () => {
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

  it('numbers that transformers takes with a fraction only are written with one', () => {
    const text = configText(familyById('gemma2'), {
      final_logit_softcapping: 30,
      attn_logit_softcapping: 50.5,
      query_pre_attn_scalar: 256,
      nested: { final_logit_softcapping: 30 },
    });
    expect(text).toBe(
      '{\n  "final_logit_softcapping": 30.0,\n  "attn_logit_softcapping": 50.5,\n  "query_pre_attn_scalar": 256,\n  "nested": {\n    "final_logit_softcapping": 30\n  }\n}\n',
    );
    expect(
      configText(familyById('gemma2'), { final_logit_softcapping: null, attn_logit_softcapping: 50 }),
    ).toContain('"attn_logit_softcapping": 50.0\n');
    expect(configText(familyById('llama'), { a: 1 })).toBe('{\n  "a": 1\n}\n');
  });
});

describe('the certificate', () => {
  it('goes into growth.json, and the rest of it stays', async () => {
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
      tokens: 3,
      maxLogit: 1e-6,
      rmsLogit: 1,
      kl: 0,
      lossSource: 1,
      lossGrown: 1,
      agreement: 1,
      promise: 'exact',
      tolerance: 1e-4,
      passed: true,
      device: 'cpu',
      text: 'own',
    } as const;
    await recordCertificate(dir, certificate);
    expect(JSON.parse(readFileSync(join(dir, 'growth.json'), 'utf8'))).toEqual({ ...record, certificate });
  });
});
