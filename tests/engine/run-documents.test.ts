/**
 * @file Documents kept apart, from the text file to the loss: each window's documents reach the device, in
 * training, with accumulation, and on held-out text.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { train } from '../../src-main/engine/train/train-job.ts';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collected, newRun, quiet } from './workbench.ts';

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
  const events = await collected(
    train(
      {
        run: await newRun(source, data, {
          tokens: 6 * 2 * 16,
          batch: 2,
          sequence: 16,
          heldOut: 0.1,
          evaluateEvery: 0,
          ...more,
        }),
      },
      quiet,
    ),
  );
  const losses = (at: 'step' | 'evaluated'): number[] =>
    events.flatMap((e: RunEvent) => (e.at === at ? [e.loss] : []));
  return { steps: losses('step'), heldOut: losses('evaluated') };
}

it('short documents are read otherwise apart than joined, again the same, and in two batches as in one', async () => {
  const joined = await lossesOf(short, {});
  const apart = await lossesOf(short, { documents: 'apart' });
  const again = await lossesOf(short, { documents: 'apart' });
  expect(apart).toEqual(again);
  expect(apart.steps).toHaveLength(6);
  for (const [i, loss] of [...apart.steps, ...apart.heldOut].entries())
    expect(loss, `loss ${i}`).not.toBe([...joined.steps, ...joined.heldOut][i]);
  const halves = await lossesOf(short, { documents: 'apart', batch: 1, accumulate: 2 });
  halves.steps.forEach((loss, i) => {
    expect(Math.abs(loss / apart.steps[i]! - 1)).toBeLessThan(1e-5);
  });
});

it('one long document is the same either way', async () => {
  const joined = await lossesOf(one, {});
  const apart = await lossesOf(one, { documents: 'apart' });
  for (const [i, loss] of [...apart.steps, ...apart.heldOut].entries())
    expect(Math.abs(loss / [...joined.steps, ...joined.heldOut][i]! - 1)).toBeLessThan(1e-6);
});
