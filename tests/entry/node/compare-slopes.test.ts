/** @file The command runs --beside, on runs that were written without an engine. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../../src-main/base/random.ts';
import type { ComparedSlopes } from '../../../src-main/contract/compared-slopes.ts';
import { openSession, createRun, saveStep } from '../../../src-main/store/run/runs.ts';
import type { GrownEvent, RunEvent } from '../../../src-main/train/run.ts';
import { startedAt, stepAt, stoppedAt } from '../../store/run/run-fixtures.ts';
import { checkAnswers } from '../../support/check-answers.ts';
import { startTestService, trainingSettings, type TestService } from '../../support/test-service.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { runCommand, type CommandResult } from './run-command.ts';

let app: TestService;
let model = '';
beforeAll(async () => {
  app = startTestService();
  model = await makeTinyCheckpoint('llama', { tokenizer: true });
});
afterAll(async () => {
  await app.service.close();
  await app.cleanUp();
});

/** 4 tokens a step. */
const settings = trainingSettings({ microBatch: 1, gradAccum: 1, contextLength: 4, warmupSteps: 5 });
const lossAt = (t: number): number => 2 + 6 * t ** -0.5;
const grownParameters = 4000;

interface Written {
  readonly events: readonly RunEvent[];
  readonly steps: number;
  readonly textHash?: string;
  readonly tokenizer?: boolean;
  readonly stages?: boolean;
  readonly init?: 'checkpoint' | 'random';
}

/** A stopped run with these events and a checkpoint at its end. */
async function writeRun(name: string, written: Written): Promise<string> {
  const { events, steps, textHash = 'a', tokenizer = true, stages = false, init = 'random' } = written;
  const dir = join(app.dir, name);
  const to = { hidden: 32 };
  const grow = [{ method: 'hypercloning', to, options: {}, seed: 0, dtype: 'keep' as const }];
  await createRun(dir, {
    name,
    checkpoint: model,
    data: [app.textFile],
    settings: { ...settings, init },
    ...(stages ? { stages: [{ until: { tokens: 2400 } }, { grow }] } : {}),
  });
  const session = await openSession(dir);
  for (const event of [...events, stoppedAt(steps, 'requested')]) await session.append(event);
  await session.close();
  await saveStep(dir, steps, async (folder) => {
    await makeTinyCheckpoint('llama', { dir: join(folder, 'model'), tokenizer });
    const counts = { tokens: 4 * steps, seconds: 1, trainTokens: 900 };
    writeFileSync(
      join(folder, 'step.json'),
      JSON.stringify({ version: 2, step: steps, textHash, ...counts }),
    );
  });
  return dir;
}

const noisyStep = (step: number, loss: number, seed: number): RunEvent =>
  stepAt(step, loss + 0.02 * normalAt(deriveKey(seed, 'noise'), step));
const listSteps = (from: number, to: number, lossOf: (step: number) => number, seed: number): RunEvent[] =>
  Array.from({ length: to - from }, (_, i) => noisyStep(from + i + 1, lossOf(from + i + 1), seed));

const grownEvent: GrownEvent = {
  type: 'grown',
  step: 600,
  stage: 2,
  reason: 'tokens',
  method: 'hypercloning',
  parametersBefore: 1000,
  parameters: grownParameters,
  lossBefore: 3,
  lossAfter: 3,
  certificate: { promise: 'function-preserving', verdict: 'passed', maxLogit: 0, tolerance: 1e-4, kl: 0 },
  tokens: 2400,
  flops: 1,
  flopsPerToken: 1,
  steps: 1000,
  seconds: 1,
  source: '/s',
  time: '2026-01-01T00:00:00Z',
};

/** A run that grew after 600 steps, where another had taken `from`, and then learns `speed` times as fast as it. */
const growRun = (name: string, from: number, speed: number, count = 400): Promise<string> =>
  writeRun(name, {
    stages: true,
    steps: 600 + count,
    events: [
      startedAt(0),
      ...listSteps(0, 600, () => 4, 1),
      // A growth that the run repeats, and steps after it that are void.
      grownEvent,
      ...listSteps(600, 650, () => 9, 2),
      startedAt(600),
      grownEvent,
      ...listSteps(600, 600 + count, (step) => lossAt(from + speed * (step - 600)), 3),
    ],
  });
const writeOther = (name: string, more: Partial<Written> = {}, parameters = grownParameters, steps = 3000) =>
  writeRun(name, {
    steps,
    events: [{ ...startedAt(0), parameters }, ...listSteps(0, steps, lossAt, 4)],
    ...more,
  });

const compare = (run: string, other: string, ...more: readonly string[]): Promise<CommandResult> =>
  runCommand(app, ['runs', run, '--beside', other, ...more]);

it('says whether the loss falls faster, slower or not distinguishably after a growth', async () => {
  const other = await writeOther('random');
  for (const [name, speed, verdict] of [
    ['same', 1, 'not distinguishable'],
    ['fast', 6, 'faster'],
    ['flat', 0, 'slower'],
  ] as const) {
    const run = await growRun(name, 600, speed);
    const { code, last } = await compare(run, other, '--json');
    expect(code).toBe(0);
    const compared = last<ComparedSlopes>();
    expect(compared).toMatchObject({ run: name, otherRun: 'random', stage: 2, verdict, otherInit: 'random' });
    // 240 to 1200 tokens after the growth, and in the other run where it has the same loss.
    expect(compared.grown.tokens).toBe(4 * 180.5);
    expect(Math.abs(compared.other.tokens / (4 * (600 + 180 * speed)) - 1)).toBeLessThan(0.2);
    // Fails if the schema of the contract refuses the answer, or drops a field of it.
    expect(await checkAnswers(app.service.api).compareSlopes({ id: run, other })).toEqual(compared);
    const { out } = await compare(run, other);
    expect(out).toContain(`random, a model of the same size (4.00 k parameters) from random weights`);
    expect(out).toContain(verdict);
  }
});

it('refuses, in a sentence, what cannot be compared', async () => {
  const run = await growRun('grown', 600, 1);
  const low = listSteps(0, 3000, () => 2, 5);
  const lowEvents = [{ ...startedAt(0), parameters: grownParameters }, ...low];
  const refusals: readonly (readonly [string, Promise<string>, string])[] = [
    [run, writeOther('small', {}, 1500), 'small has 1.50 k parameters, and the grown model has 4.00 k'],
    [run, writeOther('elsewhere', { textHash: 'b' }), 'elsewhere was trained on other text'],
    [run, writeOther('spelled', { tokenizer: false }), 'spelled has another tokenizer'],
    [run, writeOther('early', {}, grownParameters, 300), 'early never reaches the loss 2.2'],
    [run, writeOther('low', { events: lowEvents }), 'low has the loss 2.2'],
    [run, Promise.resolve(run), 'grown has grown while it trained'],
    [run, Promise.resolve(join(app.dir, 'none')), 'there is no run'],
    [await writeOther('plain'), Promise.resolve(run), 'the run plain has not grown while it trained'],
    [await growRun('new', 600, 1, 70), writeOther('full'), 'the run new has taken 70 steps since it grew'],
  ];
  for (const [first, other, sentence] of refusals) {
    const { code, err, out } = await compare(first, await other);
    expect({ code, out, name: basename(first) }).toEqual({ code: 1, out: '', name: basename(first) });
    expect(err).toContain(sentence);
  }
  const { code, err } = await runCommand(app, ['runs', '--beside', run]);
  expect(code).toBe(2);
  expect(err).toContain('--beside needs the run that has grown');
});
