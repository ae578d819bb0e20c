import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import { getProcessStart, isProcessAlive, markOwnProcess } from '../../src-main/store/fs/process.ts';
import { createRun, requestStop } from '../../src-main/store/run/runs.ts';
import type { FakeBehavior } from '../support/fake-engine.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import {
  collectAll,
  exampleCheckpoint,
  startTestService,
  trainingSettings,
  waitUntil,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await app.service.close();
  await app.cleanUp();
});

const keep = (child: ChildProcess): ChildProcess => {
  children.push(child);
  return child;
};
const readLockedPid = (dir: string): number =>
  (JSON.parse(readFileSync(join(dir, 'lock'), 'utf8')) as { readonly pid: number }).pid;

/** Starts a run in another program, and waits until its engine holds it. */
async function startElsewhere(
  behavior: FakeBehavior,
): Promise<{ readonly dir: string; readonly starter: ChildProcess; readonly engine: number }> {
  const script = join(import.meta.dirname, '../support/run-starter-child.ts');
  const starter = keep(
    fork(script, [join(app.dir, 'home'), join(app.dir, 'run'), app.textFile], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, FAKE_ENGINE: behavior, VITEST: '' },
    }),
  );
  const [dir] = (await once(starter, 'message')) as [string];
  await waitUntil(async () => (await app.service.api.run({ id: dir })).state === 'running', 60_000);
  return { dir, starter, engine: readLockedPid(dir) };
}

const stopNow = (id: string): ReturnType<TestService['service']['api']['stopRun']> =>
  app.service.api.stopRun({ id, now: true });

const readStops = async (id: string): Promise<readonly RunEvent[]> =>
  (await collectAll(app.service.api.followRun({ id, from: 0 }))).filter(({ type }) => type === 'stopped');

describe.skipIf(process.platform === 'win32')('a run that another program trains', () => {
  it.each([
    ['stall', 'lives'],
    ['deaf', 'was killed'],
  ] as const)(
    'is ended though its engine does not answer (%s), and the program that started it %s',
    async (behavior, starterState) => {
      app = startTestService();
      const { dir, starter, engine } = await startElsewhere(behavior);
      if (starterState === 'was killed') {
        starter.kill('SIGKILL');
        await once(starter, 'exit');
      }
      expect(isProcessAlive(engine)).toBe(true);
      const stopped = await stopNow(dir);
      expect(isProcessAlive(engine)).toBe(false);
      expect(stopped).toMatchObject({ state: 'paused' });
      expect(stopped.error).toBeUndefined();
      // The program that started it also saw its engine die.
      if (starterState === 'lives') expect(isProcessAlive(starter.pid!)).toBe(true);
      expect(await readStops(dir)).toMatchObject([{ reason: 'requested' }]);
      const resumed = await app.service.api.resumeRun({ id: dir });
      expect(resumed.state).not.toBe('failed');
      await app.service.api.stopRun({ id: dir });
    },
    120_000,
  );
});

/** A folder of a run that a process of `mark` seems to train. */
async function createHeldRun(mark: object, state = 'running'): Promise<string> {
  const dir = join(app.dir, 'run');
  const settings = trainingSettings();
  await createRun(dir, { name: 'run', checkpoint: exampleCheckpoint, data: [app.textFile], settings });
  const written = { ...markOwnProcess(), ...mark };
  writeFileSync(
    join(dir, 'state.json'),
    JSON.stringify({ ...written, state, heartbeat: Date.now(), hasStopped: false }),
  );
  if (state === 'running')
    writeFileSync(
      join(dir, 'lock'),
      JSON.stringify({ ...written, token: 'ab'.repeat(8), host: 'gpu-box', note: 'training' }),
    );
  return dir;
}

/** A process that has nothing to do with runs. */
async function startBystander(): Promise<number> {
  const child = keep(spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']));
  await once(child, 'spawn');
  return child.pid!;
}

describe('a process that must not be ended', () => {
  it.each([
    ['on another computer', { system: 'ffffffff', machine: null }],
    ['that restarted under another id since', { system: 'ffffffff', machine: 'eeeeeeee' }],
  ])('of a run that is trained %s: refuses, and names the computer', async (_, mark) => {
    app = startTestService();
    const pid = await startBystander();
    const dir = await createHeldRun({ pid, born: getProcessStart(pid), ...mark });
    const error = await expectAppError('run/elsewhere', () => stopNow(dir));
    expect(error.message).toContain('on gpu-box');
    expect(isProcessAlive(pid)).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')(
    'of another program that got the process id of a dead engine',
    async () => {
      app = startTestService();
      const pid = await startBystander();
      const dir = await createHeldRun({ pid, born: `${markOwnProcess().born!.split(' ')[0]!} 1` });
      await expectAppError('run/not-running', () => stopNow(dir));
      expect(isProcessAlive(pid)).toBe(true);
    },
  );

  it.skipIf(process.platform !== 'linux')(
    'that prepares the run, and may train others: waits for its engine',
    async () => {
      app = startTestService();
      const pid = await startBystander();
      const dir = await createHeldRun({ pid, born: getProcessStart(pid) }, 'preparing');
      await requestStop(dir);
      let isOver = false;
      const stopping = stopNow(dir).finally(() => {
        isOver = true;
      });
      await new Promise((resolve) => {
        setTimeout(resolve, 500);
      });
      expect(isOver).toBe(false);
      expect(isProcessAlive(pid)).toBe(true);
      process.kill(pid, 'SIGKILL');
      expect(await stopping).toMatchObject({ state: 'paused' });
    },
  );
});
