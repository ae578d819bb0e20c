/** @file A run with stages in the service, with real engines: one that is killed at the boundary loses nothing. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { RunEvent, TrainingRequest } from '../../src-main/contract/schema.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import {
  startEngineTestService,
  trainingSettings,
  waitUntil,
  type TestService,
} from '../support/test-service.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });
const boundary = 4;
const patience = 120_000;

let app: Pick<TestService, 'service' | 'dir' | 'textFile' | 'cleanUp'>;
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
  delete process.env['CAMBIUM_HOME'];
});

const request = async (out: string): Promise<TrainingRequest> => ({
  checkpoint: await checkpoint,
  data: [app.textFile],
  out,
  settings: trainingSettings({ tokens: 80, evaluateEvery: 1, sampleEvery: 0, device: 'cpu', threads: 1 }),
  stages: [
    { until: { tokens: 10 * boundary } },
    {
      grow: [{ method: 'hypercloning', to: { hidden: 32, ffn: 48 }, options: {}, seed: 0, dtype: 'keep' }],
    },
  ],
});
const hasEnded = async (dir: string): Promise<boolean> =>
  (await readEvents(dir)).some((event) => event.type === 'stopped' && event.reason === 'finished');
/** The losses of all steps and evaluations, and the growths. */
const courseOf = (events: readonly RunEvent[]): readonly unknown[] =>
  events.flatMap((event): readonly unknown[] => {
    if (event.type === 'step' || event.type === 'evaluated') return [[event.type, event.step, event.loss]];
    return event.type === 'grown' ? [[event.type, event.step, event.lossBefore, event.lossAfter]] : [];
  });

it(
  'continues a run whose engine was ended at the boundary of a stage as if it had not been',
  async () => {
    app = startEngineTestService();
    process.env['CAMBIUM_HOME'] = join(app.dir, 'home');
    const { api } = app.service;
    const whole = join(app.dir, 'whole');
    await api.startRun(await request(whole));
    await waitUntil(() => hasEnded(whole), patience);
    const expected = courseOf(await readEvents(whole));

    const killed = join(app.dir, 'killed');
    await api.startRun(await request(killed));
    // The stage has ended, and the model grows or has just grown.
    await waitUntil(
      async () => (await readEvents(killed)).some((one) => one.type === 'saved' && one.step === boundary),
      patience,
    );
    const stopped = await api.stopRun({ id: killed, now: true });
    expect(['interrupted', 'failed', 'paused', 'finished']).toContain(stopped.state);
    expect(await hasEnded(killed)).toBe(false);
    await api.resumeRun({ id: killed });
    await waitUntil(() => hasEnded(killed), patience);
    const run = await api.run({ id: killed });
    expect(run.stageStarts).toHaveLength(2);
    expect(courseOf(await readEvents(killed))).toEqual(expected);
  },
  2 * patience,
);
