/** @file Evaluates checkpoints: the loss equals a float64 reference, perplexity and bits per byte follow from it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { evaluate } from '../../../src-main/engine/infer/evaluate-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import type { EvaluateEvent, Evaluation } from '../../../src-main/contract/schema.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { openTokens, tokenizeFiles, type Tokens } from '../../../src-main/store/data/tokenize.ts';
import { referenceLoss } from '../../support/reference.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  collect,
  createGoldenWithTokenizer,
  createTestRun,
  neverAborted,
  createTextFile,
  readValues,
} from '../workbench.ts';

const cpu = 'cpu' as const;

const createWordsFile = (): string => {
  const path = join(freshFolder(), 'words.txt');
  writeFileSync(path, Array.from({ length: 150 }, (_, i) => `w${2 + ((i * i + 3 * i) % 31)}`).join(' '));
  return path;
};

async function evaluateCheckpoint(input: Parameters<typeof evaluate>[0]): Promise<{
  readonly evaluation: Evaluation;
  readonly progress: readonly EvaluateEvent[];
}> {
  const events = await collect(evaluate(input, neverAborted));
  const { evaluation } = events.at(-1) as Extract<EvaluateEvent, { type: 'done' }>;
  return { evaluation, progress: events.slice(0, -1) };
}

describe.each(['gpt2-tied', 'gpt2-untied', 'llama-tied-gqa', 'llama-untied-mha', 'llama-bfloat16'])(
  '%s',
  (name) => {
    const contextLength = 16;
    let dir: string;
    let data: string;
    let tokens: Tokens;
    let windowLosses: readonly number[];
    beforeAll(async () => {
      dir = await createGoldenWithTokenizer(name);
      data = createWordsFile();
      const checkpoint = await openCheckpoint(dir);
      const { folders } = await tokenizeFiles({
        data: [data],
        tokenizerDir: dir,
        vocabSize: checkpoint.dims['vocab']!,
        cacheDir: await openHome().createCacheDir('tokens'),
      });
      tokens = await openTokens(folders);
      const weights = new Map<string, Float64Array>();
      for (const weight of checkpoint.tensors.keys())
        weights.set(weight, Float64Array.from(await readValues(checkpoint, weight)));
      const windows = Math.floor((tokens.length - 1) / contextLength);
      windowLosses = Array.from({ length: windows }, (_, i) =>
        referenceLoss(checkpoint.config, weights, [...tokens.read(i * contextLength, contextLength + 1)]),
      );
    });

    it.each([1, 4, 100])('has the loss of the reference with a batch size of %i', async (batchSize) => {
      const input = { checkpoint: dir, data: [data], contextLength, batchSize, device: cpu };
      const { evaluation, progress } = await evaluateCheckpoint(input);
      const windows = windowLosses.length;
      const expected = windowLosses.reduce((a, b) => a + b, 0) / windows;
      expect(Math.abs(evaluation.loss - expected)).toBeLessThan(1e-5);
      expect(evaluation).toMatchObject({ tokens: windows * contextLength, device: 'cpu' });
      expect(evaluation.perplexity).toBeCloseTo(Math.exp(evaluation.loss), 10);
      const bytes = (readFileSync(data).byteLength * evaluation.tokens) / tokens.length;
      const bitsPerByte = (evaluation.loss * evaluation.tokens) / Math.LN2 / bytes;
      expect(evaluation.bytes).toBe(Math.round(bytes));
      expect(evaluation.bitsPerByte).toBeCloseTo(bitsPerByte, 10);
      expect(progress.at(-1)).toMatchObject({ type: 'tokens', done: windows * contextLength });
    });

    it('reads only as many windows as fit into the requested tokens', async () => {
      const input = { checkpoint: dir, data: [data], contextLength, batchSize: 2, device: cpu };
      const { evaluation } = await evaluateCheckpoint({ ...input, tokens: 3 * contextLength + 5 });
      const expected = (windowLosses[0]! + windowLosses[1]! + windowLosses[2]!) / 3;
      expect(Math.abs(evaluation.loss - expected)).toBeLessThan(1e-5);
    });
  },
);

it('reads at most 256 tokens at once, or the positions of the model, and counts the documents', async () => {
  const data = join(freshFolder(), 'texts.jsonl');
  const lines = ['a'.repeat(2000), '', 'b'.repeat(500)].map((text) => JSON.stringify({ text }));
  writeFileSync(data, [...lines, '{"other":1}'].join('\n'));
  for (const [positions, contextLength] of [
    [16, 16],
    [512, 256],
  ] as const) {
    const checkpoint = await makeTinyCheckpoint('gpt2', { tokenizer: true, dims: { positions } });
    const { evaluation } = await evaluateCheckpoint({ checkpoint, data: [data], batchSize: 4, device: cpu });
    expect(evaluation).toMatchObject({ contextLength, documents: 2, leftOut: { missing: 1, empty: 1 } });
  }
});

it('evaluates the newest checkpoint of a run', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const data = createTextFile();
  const run = await createTestRun(source, data, { tokens: 30 * 2 * 16 });
  await collect(train({ run }, neverAborted));
  const lossOf = async (checkpoint: string): Promise<number> => {
    const input = { checkpoint, data: [data], contextLength: 16, batchSize: 4, device: cpu };
    return (await evaluateCheckpoint(input)).evaluation.loss;
  };
  expect(await lossOf(run)).toBeLessThan((await lossOf(source)) - 0.3);
});

it('refuses what it cannot read, and can be cancelled', async () => {
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true, dims: { positions: 16 } });
  const data = createTextFile();
  const input = {
    checkpoint: source,
    data: [data],
    contextLength: 16,
    batchSize: 1,
    device: 'cpu' as const,
  };
  const { message } = await expectAppError('run/bad-setting', () =>
    collect(evaluate({ ...input, contextLength: 17 }, neverAborted)),
  );
  expect(message).toContain('context length is 17, but the model has 16 positions');
  await expectAppError('run/no-checkpoint', async () =>
    collect(evaluate({ ...input, checkpoint: await createTestRun(source, data) }, neverAborted)),
  );
  await expectAppError('engine/no-device', () =>
    collect(evaluate({ ...input, device: 'cuda' }, neverAborted)),
  );
  const { signal, abort } = createAborter();
  await expectAppError('cancelled', async () => {
    for await (const event of evaluate(input, signal)) {
      expect(event.type).toBe('tokens');
      abort();
    }
  });
});
