/** @file Held-out losses on a validation text, and of each text of a mixture. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRun } from '../../../src-main/store/run/runs.ts';
import type { RunSettings } from '../../../src-main/train/run.ts';
import { makeTexts } from '../../support/parquet.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { eventsOfType, smallSettings } from '../workbench.ts';
import { lossesOf, tinyCheckpoint, trainRun } from './train-run.ts';

const dir = freshFolder();
const write = (name: string, texts: readonly string[]): string => {
  const path = join(dir, `${name}.jsonl`);
  writeFileSync(path, texts.map((text) => JSON.stringify({ text })).join('\n'));
  return path;
};
const web = write('web', makeTexts(60, 'page'));
const books = write('books', makeTexts(60, 'book'));
const validation = write('validation', makeTexts(20, 'test'));

const trainOn = async (more: Partial<RunSettings>): ReturnType<typeof trainRun> => {
  const run = freePath('run');
  await createRun(run, {
    name: 'run',
    checkpoint: await tinyCheckpoint,
    data: [web, books],
    settings: smallSettings,
    ...more,
  });
  return trainRun(run);
};

it('evaluates on the validation text, and then trains on all of the data', async () => {
  const before = await trainOn({});
  const events = await trainOn({ validation: [validation] });
  const [started] = eventsOfType(events, 'started');
  const [startedBefore] = eventsOfType(before, 'started');
  expect(started!.trainTokens).toBe(startedBefore!.trainTokens + startedBefore!.heldOutTokens);
  const losses = eventsOfType(events, 'evaluated').map(({ loss }) => loss);
  expect(losses).not.toEqual(eventsOfType(before, 'evaluated').map(({ loss }) => loss));
  // Which text is evaluated on does not change what is trained on.
  const other = await trainOn({ validation: [books] });
  expect(lossesOf(other)).toEqual(lossesOf(events));
});

it('gives the held-out loss of each text of a mixture', async () => {
  const events = await trainOn({ weights: [3, 1] });
  for (const { loss, tokens, parts } of eventsOfType(events, 'evaluated')) {
    expect(parts!.map(({ name }) => name)).toEqual([web, books]);
    expect(parts!.reduce((sum, part) => sum + part.tokens, 0)).toBe(tokens);
    const mean = parts!.reduce((sum, part) => sum + part.loss * part.tokens, 0) / tokens;
    expect(mean).toBeCloseTo(loss, 6);
  }
  const alone = eventsOfType(await trainOn({}), 'evaluated');
  expect(alone[0]!.parts).toBeUndefined();
});
