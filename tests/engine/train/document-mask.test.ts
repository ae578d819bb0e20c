/**
 * @file Documents kept apart, from the text file to the loss: each window's documents reach the device, in
 * training, with accumulation, and on held-out text.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { train } from '../../../src-main/engine/train/train-job.ts';
import type { RunEvent } from '../../../src-main/contract/schema.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, createTestRun, neverAborted } from '../workbench.ts';

const file = (name: string, lines: readonly string[]): string => {
  const path = join(freshFolder(), name);
  writeFileSync(path, lines.join('\n'));
  return path;
};
const words = (from: number, n: number): string =>
  Array.from({ length: n }, (_, i) => `w${2 + ((from + i * i + 3 * i) % 31)}`).join(' ');
const short = file(
  'short.jsonl',
  Array.from({ length: 120 }, (_, i) => JSON.stringify({ text: words(i, 5) })),
);
const one = file('one.txt', [words(1, 700)]);
const source = await makeTinyCheckpoint('llama', { tokenizer: true });

/** Losses of a run of six steps, and on held-out text. */
async function lossesOf(
  data: string,
  more: Partial<TrainingSettings>,
): Promise<{ readonly steps: number[]; readonly heldOut: number[] }> {
  const events = await collect(
    train(
      {
        run: await createTestRun(source, data, {
          tokens: 6 * 2 * 16,
          microBatch: 2,
          contextLength: 16,
          heldOut: 0.1,
          evaluateEvery: 0,
          ...more,
        }),
      },
      neverAborted,
    ),
  );
  const losses = (type: 'step' | 'evaluated'): number[] =>
    events.flatMap((e: RunEvent) => (e.type === type ? [e.loss] : []));
  return { steps: losses('step'), heldOut: losses('evaluated') };
}

it('short documents are read otherwise apart than joined, again the same, and in two batches as in one', async () => {
  const joined = await lossesOf(short, {});
  const apart = await lossesOf(short, { documentMask: 'on' });
  const again = await lossesOf(short, { documentMask: 'on' });
  expect(apart).toEqual(again);
  expect(apart.steps).toHaveLength(6);
  for (const [i, loss] of [...apart.steps, ...apart.heldOut].entries())
    expect(loss, `loss ${i}`).not.toBe([...joined.steps, ...joined.heldOut][i]);
  const halves = await lossesOf(short, { documentMask: 'on', microBatch: 1, gradAccum: 2 });
  halves.steps.forEach((loss, i) => {
    expect(Math.abs(loss / apart.steps[i]! - 1)).toBeLessThan(1e-5);
  });
});

it('one long document is the same either way', async () => {
  const joined = await lossesOf(one, {});
  const apart = await lossesOf(one, { documentMask: 'on' });
  for (const [i, loss] of [...apart.steps, ...apart.heldOut].entries())
    expect(Math.abs(loss / [...joined.steps, ...joined.heldOut][i]! - 1)).toBeLessThan(1e-6);
});
