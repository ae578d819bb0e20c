/** @file Exports ONNX files: they compute the same logits, and a failure leaves nothing behind. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { ExportEvent } from '../../../src-main/contract/schema.ts';
import { exportOnnx } from '../../../src-main/engine/export/onnx-job.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  mainFamilies,
  collect,
  expectNothingLeft,
  createTestRun,
  neverAborted,
  createTextFile,
} from '../workbench.ts';

describe.each([...mainFamilies, 'gemma'])('%s', (id) => {
  const source = makeTinyCheckpoint(id, { tokenizer: true, dtype: 'bfloat16' });

  it('exports a bfloat16 checkpoint in float32', async () => {
    const out = freePath('onnx');
    const events = await collect(exportOnnx({ run: await source, out, dtype: 'keep' }, neverAborted));
    const done = events.at(-1) as Extract<ExportEvent, { type: 'done' }>;
    expect(done).toMatchObject({ type: 'done', dir: out, device: 'cpu' });
    expect([...done.files]).toEqual(readdirSync(out).sort());
    expect(done.files).toEqual(
      expect.arrayContaining([
        'README.md',
        'config.json',
        'generation_config.json',
        'model.onnx',
        'model.onnx.data',
        'tokenizer.json',
      ]),
    );
    expect(done.maxLogit).toBeLessThan(1e-4);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
      torch_dtype: 'float32',
    });
  });

  it('leaves nothing behind if it is cancelled at any event', async () => {
    for (let cancelAt = 0; cancelAt <= 30; cancelAt += 5) {
      const out = freePath('onnx');
      const { signal, abort } = createAborter();
      let seen = 0;
      if (cancelAt === 0) abort();
      await expectAppError('cancelled', async () => {
        for await (const event of exportOnnx({ run: await source, out, dtype: 'keep' }, signal)) {
          expect(event.type).not.toBe('done');
          seen++;
          if (seen === cancelAt || event.type === 'comparing') abort();
        }
      });
      expectNothingLeft(out);
    }
  });
});

it('exports a run with a model card that shows its lineage, its loss and how to use it', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const run = await createTestRun(source, createTextFile());
  const onnx = freePath('onnx');
  const folder = freePath('folder');
  await collect(train({ run }, neverAborted));
  await collect(exportOnnx({ run, out: onnx, dtype: 'keep' }, neverAborted));
  const card = readFileSync(join(onnx, 'README.md'), 'utf8');
  expect(card).toMatch(/^---\n[\s\S]*library_name: onnxruntime\n/);
  for (const part of ['## Lineage', '## Loss', '![Loss over tokens](loss.svg)', '## Use', 'past_key_values'])
    expect(card).toContain(part);
  expect(card).not.toContain('convert_hf_to_gguf');
  await collect(exportRun({ run, out: folder, dtype: 'keep' }, neverAborted));
  const folderCard = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const part of [
    'library_name: transformers',
    '## Lineage',
    '## Loss',
    'convert_hf_to_gguf.py',
    'llama-quantize',
  ])
    expect(folderCard).toContain(part);
  expect(readFileSync(join(folder, 'loss.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<polyline/);
});

it('refuses a dtype other than float32', async () => {
  const out = freePath('onnx');
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  await expectAppError('export/onnx-type', () =>
    collect(exportOnnx({ run: source, out, dtype: 'float16' }, neverAborted)),
  );
  expectNothingLeft(out);
});
