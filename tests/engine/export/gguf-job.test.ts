/** @file Exports GGUF files: every tensor reads back, for every family with a row, and a failure leaves nothing. */
import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { ExportEvent } from '../../../src-main/contract/schema.ts';
import { exportGguf } from '../../../src-main/engine/export/gguf-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { families } from '../../../src-main/model/families/index.ts';
import { ggufArchitectureOf } from '../../../src-main/model/families/gguf-architectures.ts';
import { estimateGgufBytes } from '../../../src-main/model/gguf/size.ts';
import { ggufTypeNames, type GgufType } from '../../../src-main/model/gguf/values.ts';
import { readGgufHeader } from '../../../src-main/store/checkpoint/gguf-reader.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { converterClasses, expressibleModel, expressibleOf } from '../../support/gguf.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyConfig, type TinyOptions } from '../../support/tiny.ts';
import { collect, createTestRun, createTextFile, expectNothingLeft, neverAborted } from '../workbench.ts';

const written = [...families.values()].filter((family) => ggufArchitectureOf(family) !== undefined);

const exportTo = async (run: string, out: string, ggufType?: GgufType) => {
  const input = { run, out, dtype: 'keep' as const, ...(ggufType ? { ggufType } : {}) };
  const events = await collect(exportGguf(input, neverAborted));
  return events.at(-1) as Extract<ExportEvent, { type: 'done' }>;
};

describe.each(written.map(({ id }) => id))('%s', (id) => {
  const source = makeTinyCheckpoint(id, expressibleOf(id));

  it.each(ggufTypeNames)('reads back in %s', async (type) => {
    const out = freePath('gguf');
    const done = await exportTo(await source, out, type);
    expect(done.files).toEqual(['README.md', `model-${type}.gguf`]);
    expect(done.maxLogit).toBeLessThan(type === 'f32' ? 1e-4 : 2);
    const { metadata, tensors, bytes } = await readGgufHeader(join(out, `model-${type}.gguf`));
    expect(bytes).toBe(done.bytes);
    expect(metadata.get('general.architecture')).toBe(ggufArchitectureOf(families.get(id)!)!.name);
    expect(metadata.has('tokenizer.ggml.pre')).toBe(true);
    const types = new Set([...tensors.values()].map((tensor) => tensor.type));
    expect([...types].every((found) => found === type || found === 'f32')).toBe(true);
    expect(types).toContain(type);
  });

  it('estimates the size of the file', () => {
    const family = families.get(id)!;
    const config = tinyConfig(id, expressibleOf(id));
    const model = { family, dims: dimsOf(family, config), settings: settingsOf(family, config) };
    const [f32, , , q8] = ggufTypeNames.map((type) => estimateGgufBytes(model, type)!);
    expect(f32).toBeGreaterThan(2 * q8!);
  });
});

it("names the converter only for families that it registers and that llama.cpp's layers can compute", () => {
  const named = [...families.values()].filter(({ gguf }) => gguf === true);
  expect(named.filter(({ architecture }) => !converterClasses.includes(architecture))).toEqual([]);
  const others = [...families.values()].filter(({ gguf }) => gguf !== true);
  // llama.cpp rotates every Falcon.
  const unnamed = others.filter(({ architecture }) => converterClasses.includes(architecture));
  expect(unnamed.map(({ id }) => id)).toEqual(['falcon-alibi']);
});

it('leaves nothing behind if it is cancelled at any event', async () => {
  const source = await makeTinyCheckpoint('llama', expressibleModel);
  for (let cancelAt = 0; cancelAt <= 21; cancelAt += 3) {
    const out = freePath('gguf');
    const { signal, abort } = createAborter();
    let seen = 0;
    if (cancelAt === 0) abort();
    await expectAppError('cancelled', async () => {
      for await (const event of exportGguf({ run: source, out, dtype: 'keep' }, signal)) {
        expect(event.type).not.toBe('done');
        seen++;
        if (seen === cancelAt || event.type === 'comparing') abort();
      }
    });
    expectNothingLeft(out);
  }
});

it('refuses a family that llama.cpp does not have, and settings that it does not compute', async () => {
  const refused = async (id: string, options: TinyOptions): Promise<void> => {
    const out = freePath('gguf');
    const source = await makeTinyCheckpoint(id, { ...expressibleModel, ...options });
    await expectAppError('gguf/unsupported', () => exportTo(source, out));
    expectNothingLeft(out);
  };
  await refused('opt', {});
  await refused('llama', { settings: { activation: 'relu' } });
  await refused('qwen3-moe', { config: { norm_topk_prob: false } });
  await refused('gemma', { settings: { tied: false } });
  await refused('olmo2', { dims: { hidden: 24, heads: 4, kv_heads: 2, group: 2, head_dim: 8 } });
});

it('writes a checkpoint without a tokenizer, and says so', async () => {
  const out = freePath('gguf');
  const done = await exportTo(
    await makeTinyCheckpoint('llama', { ...expressibleModel, tokenizer: false }),
    out,
  );
  expect(done.notes).toEqual(['the checkpoint has no tokenizer, so llama.cpp reads token numbers only']);
  const { metadata } = await readGgufHeader(join(out, 'model-f16.gguf'));
  expect(metadata.get('tokenizer.ggml.model')).toBe('no_vocab');
  expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('The checkpoint has no tokenizer');
});

it('exports a run with a model card that shows its lineage and how to use it', async () => {
  const run = await createTestRun(await makeTinyCheckpoint('llama', expressibleModel), createTextFile());
  await collect(train({ run }, neverAborted));
  const out = freePath('gguf');
  await exportTo(run, out, 'q8_0');
  expect(readdirSync(out)).toEqual(expect.arrayContaining(['README.md', 'loss.svg', 'model-q8_0.gguf']));
  const card = readFileSync(join(out, 'README.md'), 'utf8');
  for (const part of ['library_name: llama.cpp', '## Lineage', 'llama-cli -m model-q8_0.gguf'])
    expect(card).toContain(part);
  expect(card).not.toContain('convert_hf_to_gguf');
});

it('refuses a truncated file', async () => {
  const out = freePath('gguf');
  await exportTo(await makeTinyCheckpoint('gpt2', expressibleModel), out);
  const path = join(out, 'model-f16.gguf');
  const { bytes } = await readGgufHeader(path);
  for (const length of [bytes - 32, 1000, 20, 3]) {
    truncateSync(path, length);
    await expectAppError('gguf/bad-file', () => readGgufHeader(path));
  }
});
