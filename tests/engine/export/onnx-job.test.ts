/** @file ONNX exports: what was trained, compared before it is called done; or nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import type { ExportEvent } from '../../../src-main/contract/schema.ts';
import { exportOnnx } from '../../../src-main/engine/export/onnx-job.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { chief, collected, newRun, quiet, textFile } from '../workbench.ts';

const nothingLeft = (out: string): void => {
  expect(existsSync(dirname(out)) ? readdirSync(dirname(out)) : []).toEqual([]);
};

describe.each([...chief, 'gemma'])('%s', (id) => {
  const source = makeTinyCheckpoint(id, { tokenizer: true, dtype: 'bfloat16' });

  it('a checkpoint of another element type reads back as it computes', async () => {
    const out = freePath('onnx');
    const events = await collected(exportOnnx({ run: await source, out, dtype: 'keep' }, quiet));
    const done = events.at(-1) as Extract<ExportEvent, { at: 'done' }>;
    expect(done).toMatchObject({ at: 'done', dir: out, device: 'cpu' });
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

  it('cancelled at any event, it leaves nothing behind', async () => {
    for (let at = 0; at <= 30; at += 5) {
      const out = freePath('onnx');
      const { signal, abort } = aborter();
      let seen = 0;
      if (at === 0) abort();
      await refusal('cancelled', async () => {
        for await (const event of exportOnnx({ run: await source, out, dtype: 'keep' }, signal)) {
          expect(event.at).not.toBe('done');
          if (++seen === at || event.at === 'comparing') abort();
        }
      });
      nothingLeft(out);
    }
  });
});

it('a run is exported with its card: lineage, loss, how to use it', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const run = await newRun(source, textFile());
  const out = freePath('onnx');
  const folder = freePath('folder');
  await collected(train({ run }, quiet));
  await collected(exportOnnx({ run, out, dtype: 'keep' }, quiet));
  const card = readFileSync(join(out, 'README.md'), 'utf8');
  expect(card).toMatch(/^---\n[\s\S]*library_name: onnxruntime\n/);
  for (const part of ['## Lineage', '## Loss', '![Loss over tokens](loss.svg)', '## Use', 'past_key_values'])
    expect(card).toContain(part);
  expect(card).not.toContain('convert_hf_to_gguf');
  await collected(exportRun({ run, out: folder, dtype: 'keep' }, quiet));
  const other = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const part of [
    'library_name: transformers',
    '## Lineage',
    '## Loss',
    'convert_hf_to_gguf.py',
    'llama-quantize',
  ])
    expect(other).toContain(part);
  expect(readFileSync(join(folder, 'loss.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<polyline/);
});

it('an element type that it is not written in is refused', async () => {
  const out = freePath('onnx');
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  await refusal('export/onnx-type', () =>
    collected(exportOnnx({ run: source, out, dtype: 'float16' }, quiet)),
  );
  nothingLeft(out);
});
