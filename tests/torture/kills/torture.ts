/** @file Kills processes at random instants, and reopens everything that they worked on. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { operations, type Operation, type Place, type Progress } from '../operations/operation.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import type { VictimMessage, VictimOrder } from './victim.ts';

/** One kill in this many comes while the process starts. */
const startKills = 8;
/** Milliseconds in which a process starts; kills while it starts fall into them. */
const startTime = 900;
/** Milliseconds after which a process that does not say `ready` hangs. */
const longestStart = 120_000;
/** Kills fall into the first works of a process: this many times as long as one takes. */
const worksPerProcess = 1.6;
/** Kills between two lines of progress. */
const noteEvery = 50;

interface Life {
  readonly progress: Progress;
  /** Milliseconds of each work that was done. */
  readonly durations: readonly number[];
  /** Milliseconds for which the last work had lasted. */
  readonly cutAfter: number;
  readonly failure: string | undefined;
}

interface KillMoment {
  readonly delay: number;
  /** When the delay begins: with the process, or with its first work. */
  readonly from: 'start' | 'work';
}

/** Lets a process work and kills it. */
async function liveAndDie(order: VictimOrder, moment: KillMoment): Promise<Life> {
  const child = fork(join(import.meta.dirname, 'victim.ts'), [JSON.stringify(order)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    // A victim has no test runner, also if this process has one.
    env: { ...process.env, VITEST: '', ORT_DISABLE_TELEMETRY: '1', CAMBIUM_DETACHED: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let { begun, done, completed } = order.progress;
  let failure: string | undefined;
  let since = 0;
  const durations: number[] = [];
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const isHanging = setTimeout(() => {
    failure = 'the process did not start';
    kill();
  }, longestStart);
  if (moment.from === 'start') setTimeout(kill, moment.delay);
  child.on('message', (message: VictimMessage) => {
    if (message.type === 'ready') {
      clearTimeout(isHanging);
      if (moment.from === 'work') setTimeout(kill, moment.delay);
    } else if (message.type === 'begun') {
      begun = message.n;
      since = performance.now();
    } else if (message.type === 'done') {
      done = message.n;
      completed++;
      durations.push(performance.now() - since);
    } else failure = message.message;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(isHanging);
  if (signal !== 'SIGKILL') failure ??= `the process ended with ${code ?? signal ?? '?'}`;
  const cutAfter = begun > done ? performance.now() - since : 0;
  return { progress: { begun, done, completed }, durations, cutAfter, failure };
}

interface Tally {
  kills: number;
  during: number;
  completed: number;
  readonly failures: string[];
}

async function torment(
  name: string,
  operation: Operation,
  count: number,
  { seed, scratch, note }: TortureOptions,
): Promise<Tally> {
  const place: Place = { root: join(scratch, name, 'root'), inputs: join(scratch, name, 'inputs') };
  for (const dir of [place.root, place.inputs]) mkdirSync(dir, { recursive: true });
  const end = await operation.prepare(place);
  const key = deriveKey(seed, 'kills', name);
  const tally: Tally = { kills: 0, during: 0, completed: 0, failures: [] };
  let progress: Progress = { begun: 0, done: 0, completed: 0 };
  let typical = operation.guess;
  try {
    for (let n = 0; n < count; n++) {
      const chance = uniformAt(key, n);
      const moment: KillMoment =
        n % startKills === startKills - 1
          ? { from: 'start', delay: chance * startTime }
          : { from: 'work', delay: chance * worksPerProcess * typical };
      const life = await liveAndDie({ operation: name, place, progress }, moment);
      progress = life.progress;
      for (const duration of life.durations) typical = 0.8 * typical + 0.2 * duration;
      // A work that is always killed too early would never be measured.
      typical = Math.max(typical, Math.min(life.cutAfter, 2 * typical));
      tally.kills++;
      if (progress.begun > progress.done) tally.during++;
      const which = `${name}, kill ${n + 1} of seed ${seed}`;
      const before = tally.failures.length;
      if (life.failure !== undefined) tally.failures.push(`${which}: ${life.failure}`);
      const wrong = await operation.check(place, progress).catch((error: unknown) => [String(error)]);
      tally.failures.push(...wrong.map((what) => `${which}: ${what}`));
      for (const failure of tally.failures.slice(before)) note(`✗ ${failure}`);
      if ((n + 1) % noteEvery === 0) note(`${name}: ${n + 1} kills, ${progress.completed} done`);
      if (tally.failures.length > 20) break;
    }
  } finally {
    await end?.();
  }
  tally.completed = progress.completed;
  return tally;
}

async function run(options: TortureOptions): Promise<TortureReport> {
  const names = Object.keys(operations).filter(
    (name) => options.only.length === 0 || options.only.includes(name),
  );
  const lines: string[] = [];
  const failures: string[] = [];
  for (const [i, name] of names.entries()) {
    const count =
      Math.floor(((i + 1) * options.count) / names.length) - Math.floor((i * options.count) / names.length);
    const tally = await torment(name, await operations[name]!(), count, options);
    failures.push(...tally.failures);
    lines.push(
      `${name}: ${tally.kills} kills, ${tally.during} of them during a work; ${tally.completed} done`,
    );
  }
  return { lines, failures };
}

export const kills: Torture = {
  promise: 'A kill loses only what was not saved yet, and leaves nothing half-written that looks whole.',
  count: 1000,
  run,
};
