/** @file The document mask from the text file to the losses of training and of evaluation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createTestRun, eventsOfType } from '../workbench.ts';
import { lossesOf, tinyCheckpoint, trainRun } from './train-run.ts';

function writeLines(name: string, lines: readonly string[]): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

const wordsFrom = (first: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `w${2 + ((first + i * i + 3 * i) % 31)}`).join(' ');

const shortDocuments = writeLines(
  'short.jsonl',
  Array.from({ length: 120 }, (_, i) => JSON.stringify({ text: wordsFrom(i, 5) })),
);
const longDocument = writeLines('one.txt', [wordsFrom(1, 700)]);

interface Losses {
  readonly steps: readonly number[];
  readonly heldOut: readonly number[];
}

/** The losses of a run of six steps, and its held-out losses. */
async function trainOn(data: string, changes: Partial<TrainingSettings>): Promise<Losses> {
  const settings = { heldOut: 0.1, evaluateEvery: 0, ...changes };
  const events = await trainRun(await createTestRun(await tinyCheckpoint, data, settings));
  return {
    steps: lossesOf(events),
    heldOut: eventsOfType(events, 'evaluated').map((event) => event.loss),
  };
}

const allOf = ({ steps, heldOut }: Losses): readonly number[] => [...steps, ...heldOut];

describe('the document mask', () => {
  const unmasked = trainOn(shortDocuments, {});
  const masked = trainOn(shortDocuments, { documentMask: 'on' });

  it('changes every loss on short documents', async () => {
    const expected = allOf(await unmasked);
    expect((await masked).steps).toHaveLength(6);
    for (const [i, loss] of allOf(await masked).entries()) expect(loss, `loss ${i}`).not.toBe(expected[i]);
  });

  it('gives the same losses in a second run', async () => {
    expect(await trainOn(shortDocuments, { documentMask: 'on' })).toEqual(await masked);
  });

  it('gives the same losses with gradient accumulation', async () => {
    const { steps } = await trainOn(shortDocuments, { documentMask: 'on', microBatch: 1, gradAccum: 2 });
    expect(steps).toHaveLength(6);
    for (const [i, loss] of steps.entries())
      expect(Math.abs(loss / (await masked).steps[i]! - 1)).toBeLessThan(1e-5);
  });

  it('changes no loss within one long document', async () => {
    const without = allOf(await trainOn(longDocument, {}));
    const withMask = allOf(await trainOn(longDocument, { documentMask: 'on' }));
    for (const [i, loss] of withMask.entries()) expect(Math.abs(loss / without[i]! - 1)).toBeLessThan(1e-6);
  });
});
