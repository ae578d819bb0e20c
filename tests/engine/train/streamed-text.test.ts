/** @file Runs on a dataset that is streamed from the Hub. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { HubServer } from '../../support/hub-server.ts';
import { makeParquet, makeTexts } from '../../support/parquet.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createTestRun, eventsOfType, neverAborted } from '../workbench.ts';
import { startEngine, trainIn } from './engine-process.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

const server = new HubServer();
const files = 6;
const rowsPerFile = 200;
const dataset = 'hf://datasets/org/stream';

beforeAll(async () => {
  await server.start();
  const shards = Array.from({ length: files }, (_, i) => [
    `data/train-${i}.parquet`,
    makeParquet(makeTexts(rowsPerFile, `shard ${i}`), 50),
  ]);
  server.addCommit('datasets/org/stream', Object.fromEntries(shards));
  process.env['HF_ENDPOINT'] = server.endpoint;
  process.env['HF_HOME'] = freshFolder('hf');
});
afterAll(async () => {
  delete process.env['HF_ENDPOINT'];
  delete process.env['HF_HOME'];
  await server.stop();
});
beforeEach(() => {
  server.faults = [];
  server.requests.length = 0;
});

const steps = 20;
const settings = {
  tokens: steps * tokensPerSmallStep,
  saveEvery: 4,
  evaluateEvery: 0,
  shuffleWindows: 16,
  streamDisk: 0.1,
} satisfies Partial<TrainingSettings>;

const createRun = async (data = dataset, more: Partial<TrainingSettings> = {}): Promise<string> =>
  createTestRun(await tinyCheckpoint, data, { ...settings, ...more });

const streamFolder = (run: string): string => join(run, 'stream', '0');
const blocksOf = (run: string): readonly string[] =>
  readdirSync(streamFolder(run)).filter((name) => name.startsWith('block-'));
const rangesOf = (): readonly string[] =>
  server.requests.flatMap(({ server: name, path, range }) =>
    name === 'cdn' ? [`${path} ${range ?? ''}`] : [],
  );

/** The same run, never interrupted. */
let whole: { readonly losses: readonly number[]; readonly state: unknown };
beforeAll(async () => {
  const run = await createRun();
  const events = await trainRun(run);
  whole = { losses: lossesOf(events), state: await digestState(run) };
});

describe('a run on a streamed dataset', () => {
  it('trains to its end, and is evaluated on rows that it never trains on', async () => {
    const run = await createRun();
    const events = await trainRun(run);
    expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
    expect(eventsOfType(events, 'stopped')).toMatchObject([{ reason: 'finished' }]);
    expect(eventsOfType(events, 'evaluated').length).toBe(2);
    expect(lossesOf(events)).toEqual(whole.losses);
    expect(blocksOf(run)).toEqual([]);
    const source = JSON.parse(readFileSync(join(streamFolder(run), 'stream.json'), 'utf8')) as {
      heldOut: { rows: number; file: number };
    };
    expect(source.heldOut.rows).toBeGreaterThan(0);
    expect(source.heldOut.rows).toBeLessThanOrEqual(25);
  });

  it('reads another order with another seed', async () => {
    const other = await trainRun(await createRun(dataset, { seed: 1 }));
    expect(lossesOf(other)).not.toEqual(whole.losses);
  });

  it('requests only the columns and the row groups that the token budget needs', async () => {
    await trainRun(await createRun(dataset, { tokens: 2 * tokensPerSmallStep }));
    const shards = new Set(rangesOf().map((line) => line.split(' ')[0]));
    expect(shards.size).toBeLessThan(files);
  });

  it('resumes with the same batches after a stop, although all blocks were removed', async () => {
    const run = await createRun();
    await trainUntilStep(run, 7);
    for (const name of blocksOf(run)) rmSync(join(streamFolder(run), name));
    await trainUntilStep(run, 13);
    await trainRun(run);
    expect(lossesOf(await readEvents(run))).toEqual(whole.losses);
    expect(await digestState(run)).toEqual(whole.state);
  });

  it('resumes with the same batches when its process is killed, at many moments', async () => {
    const run = await createRun();
    for (const killAt of [0, 3, 13]) {
      const engine = startEngine();
      const count = (event: RunEvent): void => {
        if (killAt === 0 ? event.type === 'preparing' : event.type === 'step' && event.step >= killAt)
          engine.child.kill('SIGKILL');
      };
      await trainIn(engine, run, count).catch(() => undefined);
      await engine.exit;
    }
    // The kill may tear what was written last.
    const records = join(streamFolder(run), 'blocks.jsonl');
    writeFileSync(records, readFileSync(records).subarray(0, -7));
    await trainRun(run);
    expect(lossesOf(await readEvents(run))).toEqual(whole.losses);
    expect(await digestState(run)).toEqual(whole.state);
  });

  it('refuses a shuffle buffer that does not fit, and a dataset that has changed', async () => {
    const small = eventsOfType(
      await trainRun(await createRun(dataset, { streamDisk: 0.001, shuffleWindows: 2 ** 16 })),
      'stopped',
    )[0]!;
    expect(small).toMatchObject({ reason: 'failed', error: { code: 'data/stream-disk' } });
    const run = await createRun();
    await trainUntilStep(run, 5);
    for (const name of blocksOf(run)) rmSync(join(streamFolder(run), name));
    const records = join(streamFolder(run), 'blocks.jsonl');
    writeFileSync(records, readFileSync(records, 'utf8').replaceAll(/"sha256":"../g, '"sha256":"zz'));
    const changed = eventsOfType(await trainRun(run), 'stopped')[0]!;
    expect(changed).toMatchObject({ reason: 'failed', error: { code: 'data/stream-changed' } });
  });

  it('stops while it waits for a server that does not answer', async () => {
    const run = await createRun();
    await trainUntilStep(run, 5);
    for (const name of blocksOf(run)) rmSync(join(streamFolder(run), name));
    server.faults.push({ match: /GET cdn/, times: 1000, stall: true });
    const events: RunEvent[] = [];
    for await (const event of train({ run }, neverAborted)) {
      events.push(event);
      if (event.type === 'started') writeFileSync(join(run, 'stop'), '');
    }
    expect(eventsOfType(events, 'stopped')).toMatchObject([{ reason: 'requested', step: 5 }]);
  });
});
