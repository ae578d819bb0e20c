/**
 * @file The engine's process: killed at any moment, told to end, or left by its parent, a run goes on as if
 * nothing had happened.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { createChildChannel } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine, type Engine } from '../../../src-main/contract/engine.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { newestStep, summarizeRun, savedSteps } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, digestFiles, createTestRun, eventsOfType, smallSettings, createTextFile } from '../workbench.ts';

const main = join(import.meta.dirname, '../../../src-main/engine/main.ts');
const started = new Set<ChildProcess>();
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
});

interface Process {
  readonly child: ChildProcess;
  readonly api: Engine;
  readonly gone: Promise<readonly [code: number | null, signal: string | null]>;
}
function start(environment: NodeJS.ProcessEnv = {}): Process {
  const child = fork(main, [], {
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, CAMBIUM_DETACHED: '', ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  started.add(child);
  const gone = once(child, 'exit').then(([code, signal]) => {
    started.delete(child);
    return [code as number | null, signal as string | null] as const;
  });
  return { child, api: connect(engine, createChildChannel(child)), gone };
}

const tiny = makeTinyCheckpoint('llama', { tokenizer: true });
const text = createTextFile();
const steps = 300;
const kills = 50;
const settings = { tokens: steps * smallSettings.microBatch * smallSettings.contextLength, saveEvery: 2, evaluateEvery: 5 };
const run = async (): Promise<string> => createTestRun(await tiny, text, settings);
const stateOf = async (dir: string): Promise<unknown> =>
  digestFiles((await newestStep(dir))!.dir, (path) => path.endsWith('.safetensors'));
const losses = (events: readonly RunEvent[]): readonly number[] => eventsOfType(events, 'step').map((e) => e.loss);

/** The same run, never stopped. */
const whole = (async () => {
  const dir = await run();
  const { api, child, gone } = start();
  const events = await collect(api.train({ run: dir }));
  child.disconnect();
  return { losses: losses(events), state: await stateOf(dir), exit: await gone };
})();

/** Every step once, in order, and the bytes of the run that never stopped. */
async function asIfNothingHappened(dir: string): Promise<void> {
  const events = await readEvents(dir);
  expect(eventsOfType(events, 'step').map((e) => e.step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
  expect(losses(events)).toEqual((await whole).losses);
  expect(await stateOf(dir)).toEqual((await whole).state);
  expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', step: steps, savedStep: steps });
}
const resume = async (dir: string): Promise<void> => {
  const { api, child, gone } = start();
  const events = await collect(api.train({ run: dir }));
  child.disconnect();
  await gone;
  expect(events.at(-1)).toEqual({
    type: 'stopped',
    reason: 'finished',
    step: steps,
    time: expect.any(String) as string,
  });
};

describe('the engine process', () => {
  it('ends with code 0 when its parent lets go', async () => {
    expect((await whole).exit).toEqual([0, null]);
  });

  it(`killed ${kills} times at random moments, the run ends in the same bytes`, async () => {
    const dir = await run();
    const key = deriveKey(11, 'kills');
    const states = new Set<string>();
    for (let n = 0; n < kills; n++) {
      // few steps are left: no further than the first event
      const near = steps - ((await newestStep(dir))?.step ?? 0) < 60;
      const { child, api, gone } = start();
      const most = near ? 1 : 1 + Math.floor(uniformAt(key, 2 * n) * 9);
      const early = !near && n % 5 === 4;
      const delay = near ? 0 : uniformAt(key, 2 * n + 1) * (early ? 700 : 12);
      let seen = 0;
      let begun = false;
      if (early)
        setTimeout(() => {
          child.kill('SIGKILL');
        }, delay); // while it starts, reads its text or loads its state
      await collect(
        (async function* () {
          for await (const event of api.train({ run: dir })) {
            yield event;
            begun ||= event.type === 'started';
            if (begun && ++seen === most && !early)
              setTimeout(() => {
                child.kill('SIGKILL');
              }, delay);
          }
        })(),
      ).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'rpc/closed' });
      });
      expect(await gone, `killed at ${seen}`).toEqual([null, 'SIGKILL']);
      const { state, savedStep, error } = await summarizeRun(dir);
      states.add(state);
      expect({ state: state === 'preparing' ? 'interrupted' : state, error }).toEqual({
        state: 'interrupted',
      });
      expect(eventsOfType(await readEvents(dir), 'step').at(-1)?.step ?? 0).toBeGreaterThanOrEqual(savedStep ?? 0);
      expect((await savedSteps(dir)).length).toBeLessThanOrEqual(3);
    }
    expect(states).toContain('interrupted');
    expect((await newestStep(dir))!.step).toBeLessThan(steps);
    await resume(dir);
    await asIfNothingHappened(dir);
    expect((await savedSteps(dir)).map((s) => s.step)).toEqual([steps - 2, steps]);
  });

  it.each([
    [
      'its parent has gone',
      (p: Process) => {
        p.child.disconnect();
      },
    ],
    [
      'SIGTERM',
      (p: Process) => {
        p.child.kill('SIGTERM');
      },
    ],
    [
      'SIGINT',
      (p: Process) => {
        p.child.kill('SIGINT');
      },
    ],
  ] as const)('%s: it saves, ends with code 0, and goes on later', async (_, end) => {
    const dir = await run();
    const own = start();
    await collect(
      (async function* () {
        for await (const event of own.api.train({ run: dir })) {
          yield event;
          if (event.type === 'step' && event.step === 7) end(own);
        }
      })(),
    ).catch(() => undefined);
    expect(await own.gone).toEqual([0, null]);
    const { state, step, savedStep } = await summarizeRun(dir);
    expect(state).toBe('paused');
    expect(step).toBeGreaterThanOrEqual(7);
    expect(step).toBeLessThan(steps);
    expect(savedStep).toBe(step);
    await resume(dir);
    await asIfNothingHappened(dir);
  });

  it('detached, it goes on without its parent to the end', async () => {
    const dir = await run();
    const own = start({ CAMBIUM_DETACHED: '1' });
    await collect(
      (async function* () {
        for await (const event of own.api.train({ run: dir })) {
          yield event;
          if (event.type === 'step' && event.step === 3) own.child.disconnect();
        }
      })(),
    ).catch(() => undefined);
    expect(await own.gone).toEqual([0, null]);
    await asIfNothingHappened(dir);
  });

  it('detached and told to end by the system, it saves first', async () => {
    const dir = await run();
    const own = start({ CAMBIUM_DETACHED: '1' });
    for await (const event of own.api.train({ run: dir }))
      if (event.type === 'step' && event.step === 3) {
        own.child.kill('SIGTERM');
        break;
      }
    expect(await own.gone).toEqual([0, null]);
    expect((await summarizeRun(dir)).state).toBe('paused');
    await resume(dir);
    await asIfNothingHappened(dir);
  });
});
