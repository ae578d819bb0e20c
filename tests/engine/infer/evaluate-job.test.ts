/** @file Evaluation: the loss of a reference in float64, and its two other readings. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { evaluate } from '../../../src-main/engine/infer/evaluate-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import type { EvaluateEvent } from '../../../src-main/contract/schema.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { openTokens, tokenizeFiles } from '../../../src-main/store/data/tokens.ts';
import { referenceLoss } from '../../support/reference.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collected, goldenWithTokenizer, newRun, quiet, textFile, valuesOf } from '../workbench.ts';

const wordsFile = (): string => {
  const path = join(freshFolder(), 'words.txt');
  writeFileSync(path, Array.from({ length: 150 }, (_, i) => `w${2 + ((i * i + 3 * i) % 31)}`).join(' '));
  return path;
};
type Done = Extract<EvaluateEvent, { at: 'done' }>;

it.each(['gpt2-tied', 'gpt2-untied', 'llama-tied-gqa', 'llama-untied-mha', 'llama-bfloat16'])(
  '%s: the loss is that of the reference, whatever the batch',
  async (name) => {
    const dir = await goldenWithTokenizer(name);
    const data = wordsFile();
    const sequence = 16;
    const checkpoint = await openCheckpoint(dir);
    const tokens = await openTokens(
      (
        await tokenizeFiles({
          data: [data],
          tokenizer: dir,
          vocab: checkpoint.dims['vocab']!,
          cache: await openHome().cache('tokens'),
        })
      ).folders,
    );
    const weights = new Map<string, Float64Array>();
    for (const weight of checkpoint.refs.keys())
      weights.set(weight, Float64Array.from(await valuesOf(checkpoint, weight)));
    const windows = Math.floor((tokens.length - 1) / sequence);
    const each = Array.from({ length: windows }, (_, i) =>
      referenceLoss(checkpoint.config, weights, [...tokens.read(i * sequence, sequence + 1)]),
    );
    const expected = each.reduce((a, b) => a + b, 0) / windows;
    for (const batch of [1, 4, 100]) {
      const events = await collected(
        evaluate({ checkpoint: dir, data: [data], sequence, batch, device: 'cpu' }, quiet),
      );
      const { evaluation } = events.at(-1) as Done;
      expect(Math.abs(evaluation.loss - expected)).toBeLessThan(1e-5);
      expect(evaluation).toMatchObject({ tokens: windows * sequence, device: 'cpu' });
      expect(evaluation.perplexity).toBeCloseTo(Math.exp(evaluation.loss), 10);
      const bytes = (readFileSync(data).byteLength * evaluation.tokens) / tokens.length;
      expect(evaluation.bytes).toBe(Math.round(bytes));
      expect(evaluation.bitsPerByte).toBeCloseTo(
        (evaluation.loss * evaluation.tokens) / Math.LN2 / bytes,
        10,
      );
      expect(
        events
          .slice(0, -1)
          .map((e) => (e as { done: number }).done)
          .at(-1),
      ).toBe(windows * sequence);
    }
    const some = (
      await collected(
        evaluate(
          { checkpoint: dir, data: [data], sequence, batch: 2, tokens: 3 * sequence + 5, device: 'cpu' },
          quiet,
        ),
      )
    ).at(-1) as Done;
    expect(Math.abs(some.evaluation.loss - (each[0]! + each[1]! + each[2]!) / 3)).toBeLessThan(1e-5);
  },
);

it('a run is read at its newest checkpoint', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const data = textFile();
  const dir = await newRun(source, data, { tokens: 30 * 2 * 16 });
  await collected(train({ run: dir }, quiet));
  const loss = async (checkpoint: string): Promise<number> =>
    (
      (
        await collected(evaluate({ checkpoint, data: [data], sequence: 16, batch: 4, device: 'cpu' }, quiet))
      ).at(-1) as Done
    ).evaluation.loss;
  expect(await loss(dir)).toBeLessThan((await loss(source)) - 0.3);
});

it('what cannot be read is refused, and cancelling ends it', async () => {
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true, dims: { positions: 16 } });
  const data = textFile();
  const input = { checkpoint: source, data: [data], sequence: 16, batch: 1, device: 'cpu' as const };
  await refusal('run/bad-setting', () => collected(evaluate({ ...input, sequence: 17 }, quiet)));
  await refusal('run/no-checkpoint', async () =>
    collected(evaluate({ ...input, checkpoint: await newRun(source, data) }, quiet)),
  );
  await refusal('engine/no-device', () => collected(evaluate({ ...input, device: 'cuda' }, quiet)));
  const { signal, abort } = aborter();
  await refusal('cancelled', async () => {
    for await (const event of evaluate(input, signal)) {
      expect(event.at).toBe('tokens');
      abort();
    }
  });
});
