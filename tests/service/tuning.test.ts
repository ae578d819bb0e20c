/** @file Tunings in the service: folders, jobs, lists, reports, and what is refused. */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JobSummary } from '../../src-main/contract/schema.ts';
import { tuneRequest, type TuneEvent, type TuneRequest } from '../../src-main/contract/tune.ts';
import { tuningSchema } from '../../src-main/train/tuning/tuning.ts';
import type { FakeProcessOptions } from '../support/fake-processes.ts';
import {
  collectAll,
  errorCodeOf,
  exampleCheckpoint,
  root,
  startTestService,
  trainingSettings,
  type TestService,
} from '../support/test-service.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';

type Api = TestService['service']['api'];

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });
const cloning = {
  method: 'hypercloning',
  to: { hidden: 32, ffn: 48 },
  options: {},
  seed: 0,
  dtype: 'keep',
} as const;

let app: TestService;
const start = (options?: FakeProcessOptions): Api => {
  app = startTestService(options);
  return app.service.api;
};
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const request = async (changes: Partial<TuneRequest> = {}): Promise<TuneRequest> => ({
  checkpoint: await checkpoint,
  data: [app.textFile],
  settings: trainingSettings(),
  trials: 4,
  transferTrials: 2,
  coordinateCheck: false,
  ...changes,
});
const follow = (api: Api, { id }: JobSummary): Promise<TuneEvent[]> => collectAll(api.followTuning({ id }));

describe('a tuning', () => {
  it('has a folder with its state, runs as a job, and is listed for its checkpoint', async () => {
    const api = start();
    const out = join(app.dir, 'tuning');
    const job = await api.startTuning(await request({ out, grow: cloning, name: 'My tuning' }));
    expect(job).toMatchObject({ kind: 'tune', title: 'Tuning My tuning' });
    const events = await follow(api, job);
    expect(events.at(-1)).toMatchObject({ type: 'done', dir: out });
    const stored = tuningSchema.parse(JSON.parse(readFileSync(join(out, 'tune.json'), 'utf8')));
    expect(stored).toMatchObject({ budget: { source: 4, target: 2 }, isDone: true, name: 'My tuning' });
    expect(stored.target).toMatchObject({ width: 32 });
    expect(stored.source.width).toBe(16);
    expect(stored.mupBase).toContain('hidden=16');
    expect(stored.multipliers.map(({ what }) => what)).toEqual(['input', 'output', 'attention']);
    expect(await api.tuning({ dir: out })).toEqual({ dir: out, tuning: stored });
    const listed = await api.tunings({ checkpoint: await checkpoint });
    expect(listed).toEqual([{ dir: out, tuning: stored }]);
    expect(await api.tunings({ checkpoint: exampleCheckpoint })).toEqual([]);
    expect(await errorCodeOf(api.resumeTuning({ dir: out }))).toBe('tune/finished');
  });

  it('is estimated without being started: fewer tokens if trials are stopped early', async () => {
    const api = start();
    cpSync(join(root, 'resources', 'devices.json'), join(app.dir, 'resources', 'devices.json'));
    const asked = await request({ grow: cloning, trials: 8, transferTrials: 2 });
    const estimate = await api.estimateTuning(asked);
    const { tokens } = asked.settings;
    expect(estimate.trials).toBe(10);
    expect(estimate.tokens.high).toBeGreaterThanOrEqual(10 * tokens);
    expect(estimate.tokens.low).toBeLessThan(estimate.tokens.high);
    expect(estimate.tokens.low).toBeGreaterThanOrEqual(5 * tokens);
    const alone = await api.estimateTuning(await request({ trials: 8 }));
    expect(alone.trials).toBe(8);
    if (estimate.seconds) expect(alone.seconds!.high).toBeLessThan(estimate.seconds.high);
    expect(await api.tunings({})).toEqual([]);
  });

  it('without a folder is made in the home, each in one of its own', async () => {
    const api = start();
    for (let i = 0; i < 2; i++) await follow(api, await api.startTuning(await request()));
    const dirs = (await api.tunings({})).map(({ dir }) => dir);
    expect(new Set(dirs).size).toBe(2);
    for (const dir of dirs) expect(existsSync(join(dir, 'tune.json'))).toBe(true);
  });

  it('is paused by cancelling its job, and continues', async () => {
    const api = start({ stepMs: 20_000 });
    const out = join(app.dir, 'tuning');
    const job = await api.startTuning(await request({ out }));
    for await (const event of api.followTuning({ id: job.id })) {
      if (event.type !== 'tuning') continue;
      expect(await errorCodeOf(api.resumeTuning({ dir: out }))).toBe('tune/running');
      break;
    }
    await api.cancelJob({ id: job.id });
    expect((await api.tuning({ dir: out })).tuning.isDone).toBe(false);
    const resumed = await api.resumeTuning({ dir: out });
    expect(resumed.id).not.toBe(job.id);
    await api.cancelJob({ id: resumed.id });
  });

  it('has a report as a page and as JSON', async () => {
    const api = start();
    const out = join(app.dir, 'tuning');
    await follow(api, await api.startTuning(await request({ out })));
    const html = await api.tuningReport({ dir: out, format: 'html' });
    expect(html.name).toBe('tuning-tuning.html');
    expect(html.text).toMatch(/^<!doctype html>/);
    expect(html.text).toContain('What is kept of µP');
    const json = await api.tuningReport({ dir: out, format: 'json' });
    expect(tuningSchema.parse(JSON.parse(json.text)).trials).toHaveLength(1);
  });
});

describe('a request for a tuning', () => {
  it.each<readonly [string, Partial<TuneRequest>, string]>([
    ['a folder that exists', { out: '.' }, 'file/exists'],
    ['text that is missing', { data: ['/nowhere/text.txt'] }, 'file/not-found'],
    [
      'a context that is too long',
      { settings: trainingSettings({ contextLength: 4096 }) },
      'run/bad-setting',
    ],
    [
      'an optimizer whose rates µP has not',
      { settings: trainingSettings({ optimizer: 'sgd' }) },
      'run/bad-setting',
    ],
    ['a growth that cannot be', { grow: { ...cloning, to: { hidden: 17 } } }, 'growth/not-a-multiple'],
  ])('with %s is refused', async (_, changes, code) => {
    const api = start();
    const given = changes.out === undefined ? changes : { out: app.dir };
    expect(await errorCodeOf(api.startTuning(await request(given)))).toBe(code);
    expect(await api.tunings({})).toEqual([]);
  });

  it('with neither trials nor a check is no request', async () => {
    start();
    expect(tuneRequest.safeParse(await request({ trials: 0 })).success).toBe(false);
    expect(tuneRequest.safeParse(await request({ trials: 0, coordinateCheck: true })).success).toBe(true);
  });

  it('names a folder without a tuning, and a file that is none', async () => {
    const api = start();
    expect(await errorCodeOf(api.tuning({ dir: app.dir }))).toBe('tune/not-found');
  });
});
