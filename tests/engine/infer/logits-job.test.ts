import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeLogits } from '../../../src-main/engine/infer/logits-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readHeader } from '../../../src-main/store/checkpoint/safetensors.ts';
import { checkpointLogits } from '../../support/checkpoint-logits.ts';
import '../../support/close.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { neverAborted } from '../workbench.ts';

interface LogitsFile {
  readonly shape: readonly number[];
  readonly tokens: Int32Array;
  readonly logits: Float32Array;
}

async function readLogits(path: string): Promise<LogitsFile> {
  const file = readFileSync(path);
  const { entries } = await readHeader(path);
  const bytesOf = (name: string): ArrayBuffer => {
    const { offset, bytes } = entries.get(name)!;
    return Uint8Array.from(file.subarray(offset, offset + bytes)).buffer;
  };
  const { shape } = entries.get('logits')!;
  return {
    shape,
    tokens: new Int32Array(bytesOf('tokens')),
    logits: new Float32Array(bytesOf('logits')),
  };
}

describe('writeLogits', () => {
  it('writes tokens and logits of every model on the tokens of the first', async () => {
    const models = [
      await makeTinyCheckpoint('llama', { tokenizer: true, seed: 1 }),
      await makeTinyCheckpoint('gpt2', { tokenizer: true, seed: 2 }),
    ];
    const out = freePath('logits');
    const written = await writeLogits({ models, out, device: 'cpu' }, neverAborted);
    expect(written.text).toBe('built-in English text');
    expect(written.files.map(({ model }) => model)).toEqual(models);
    const files = await Promise.all(written.files.map(({ logits }) => readLogits(logits)));
    expect(files[1]!.tokens).toEqual(files[0]!.tokens);
    for (const [i, { shape, tokens, logits }] of files.entries()) {
      const [windows, length, vocab] = shape as [number, number, number];
      expect(windows * length).toBe(written.tokens);
      const last = tokens.slice((windows - 1) * length);
      const expected = await checkpointLogits(await openCheckpoint(models[i]!), [...last]);
      expect(logits.slice((windows - 1) * length * vocab)).toBeClose(expected, 'float32');
    }
  });

  it('writes the models again on request, and reads a given text', async () => {
    const model = await makeTinyCheckpoint('gpt_neox', { tokenizer: true, nameStyle: 'base' });
    const text = join(freshFolder(), 'text.txt');
    writeFileSync(text, 'the cat sat on the mat. '.repeat(50));
    const out = freePath('logits');
    const request = { models: [model], out, device: 'cpu' as const, rewrite: true };
    const written = await writeLogits({ ...request, text: { data: [text], tokens: 100 } }, neverAborted);
    expect(written.text).toContain('text.txt');
    const copy = await openCheckpoint(written.files[0]!.model);
    const source = await openCheckpoint(model);
    expect([copy.dir, copy.nameStyle, copy.dims]).toEqual([join(out, 'model-0'), 'base', source.dims]);
    const ids = [1, 2, 3];
    expect(await checkpointLogits(copy, ids)).toEqual(await checkpointLogits(source, ids));
  });

  it('takes random tokens where there is no tokenizer, and overwrites nothing', async () => {
    const model = await makeTinyCheckpoint('opt');
    const out = freePath('logits');
    const written = await writeLogits({ models: [model], out, device: 'cpu' }, neverAborted);
    expect(written.text).toContain('random');
    await expectAppError('file/exists', () =>
      writeLogits({ models: [model], out, device: 'cpu' }, neverAborted),
    );
  });
});
