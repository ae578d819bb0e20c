/** @file Two to eight processes on the same run, home and caches; now and then one of them is killed. */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { deriveKey, integerAt } from '../../../src-main/base/random.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { createRun, openSession, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import {
  workKinds,
  type SharedFolders,
  type WorkerMessage,
  type WorkerOrder,
  type WorkKind,
} from './worker.ts';

const processCounts = [2, 3, 4, 5, 6, 7, 8];
/** One process is killed after this many operations. */
const killEvery = 60;
const checkpointCount = 400;

function createFolders(dir: string): SharedFolders {
  const folders = {
    home: join(dir, 'home'),
    run: join(dir, 'run'),
    checkpoints: join(dir, 'checkpoints'),
    cache: join(dir, 'cache'),
  };
  mkdirSync(folders.cache, { recursive: true });
  for (let i = 0; i < checkpointCount; i++) {
    mkdirSync(join(folders.checkpoints, String(i)), { recursive: true });
    writeFileSync(join(folders.checkpoints, String(i), 'config.json'), '{}');
  }
  return folders;
}

interface Contest {
  readonly begun: Record<WorkKind, number>;
  readonly done: Record<WorkKind, number>;
  /** Operations that ended, also those that another process kept from their work. */
  ended: number;
  kills: number;
  readonly trained: string[];
  readonly created: string[];
  readonly remembered: Set<string>;
  readonly failures: string[];
}

const countKinds = (): Record<WorkKind, number> =>
  Object.fromEntries(workKinds.map((kind) => [kind, 0])) as Record<WorkKind, number>;

function count(contest: Contest, message: WorkerMessage): void {
  if (message.type === 'begun') {
    contest.begun[message.kind]++;
    return;
  }
  contest.ended++;
  if (message.wrong !== undefined) contest.failures.push(`${message.kind} ${message.id}: ${message.wrong}`);
  if (!message.isDone) return;
  contest.done[message.kind]++;
  if (message.kind === 'train') contest.trained.push(message.id);
  if (message.kind === 'create') contest.created.push(`${message.path!} ${message.id}`);
  if (message.kind === 'remember') contest.remembered.add(message.path!);
}

/** Lets `processes` processes work until `operations` operations have ended. */
async function runContest(
  folders: SharedFolders,
  processes: number,
  operations: number,
  seed: number,
): Promise<Contest> {
  const contest: Contest = {
    begun: countKinds(),
    done: countKinds(),
    ended: 0,
    kills: 0,
    trained: [],
    created: [],
    remembered: new Set(),
    failures: [],
  };
  const children = new Set<ChildProcess>();
  let started = 0;
  let isOver = false;
  const key = deriveKey(seed, 'contest', processes);
  await new Promise<void>((resolve) => {
    const start = (): void => {
      const order: WorkerOrder = { folders, seed: deriveKey(seed, 'process', processes, started++) };
      const child = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(order)], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      children.add(child);
      child.on('message', (message: WorkerMessage) => {
        count(contest, message);
        if (message.type === 'done' && contest.ended % killEvery === 0) killOne();
        if (contest.ended >= operations || contest.failures.length > 20) resolve();
      });
      child.once('close', () => {
        children.delete(child);
        if (!isOver) start();
      });
    };
    const killOne = (): void => {
      contest.kills++;
      [...children][integerAt(key, contest.kills, children.size)]?.kill('SIGKILL');
    };
    for (let i = 0; i < processes; i++) start();
  });
  isOver = true;
  const closed = [...children].map((child) => once(child, 'close'));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(closed);
  return contest;
}

/** What is lost, done twice, or left behind. */
async function check(folders: SharedFolders, contest: Contest): Promise<readonly string[]> {
  const wrong: string[] = [];
  const home = openHome(folders.home);
  const counted = Number((await home.readFile('counter.json'))?.['n'] ?? 0);
  const { begun, done } = contest;
  if (counted < done.count || counted > begun.count)
    wrong.push(`the counter is ${counted} after ${done.count} of ${begun.count} updates`);
  const known = new Set((await home.listCheckpoints()).map(({ dir }) => dir));
  for (const path of contest.remembered) if (!known.has(path)) wrong.push(`${path} was forgotten`);
  const { damage } = await summarizeRun(folders.run);
  if (damage) wrong.push(`events.jsonl: ${JSON.stringify(damage)}`);
  const logged = (await readEvents(folders.run)).flatMap((event) =>
    event.type === 'sample' ? [event.prompt] : [],
  );
  for (const id of contest.trained)
    if (logged.filter((each) => each === id).length !== 1)
      wrong.push(`the event of ${id} is not once in the log`);
  for (const entry of contest.created) {
    const [path, id] = entry.split(' ') as [string, string];
    if (readFileSync(join(path, 'owner'), 'utf8') !== id) wrong.push(`${path} was given to two processes`);
  }
  // The next process that takes a lock removes what the killed ones left beside it.
  await home.updateFile('counter.json', (before) => before);
  await (await openSession(folders.run)).close();
  for (const dir of [folders.home, folders.run])
    for (const name of readdirSync(dir))
      // A process may be killed before it has written its private file, which stays for a minute.
      if (/(counter\.json|^lock)\S*\.(lock|new)/.test(name) && statSync(join(dir, name)).size > 0)
        wrong.push(`${name} is left in ${dir}`);
  return wrong;
}

async function run({ count: operations, seed, scratch, note }: TortureOptions): Promise<TortureReport> {
  const lines: string[] = [];
  const failures: string[] = [];
  for (const [i, processes] of processCounts.entries()) {
    const share =
      Math.floor(((i + 1) * operations) / processCounts.length) -
      Math.floor((i * operations) / processCounts.length);
    const folders = createFolders(join(scratch, String(processes)));
    await createRun(folders.run, { name: 'run', checkpoint: '/c', data: ['/d'], settings: trainingDefaults });
    const contest = await runContest(folders, processes, share, seed);
    const wrong = [...contest.failures, ...(await check(folders, contest))];
    failures.push(...wrong.map((what) => `${processes} processes, seed ${seed}: ${what}`));
    const parts = workKinds.map((kind) => `${contest.done[kind]} ${kind}`).join(', ');
    lines.push(`${processes} processes: ${contest.ended} operations (${parts}), ${contest.kills} killed`);
    note(lines.at(-1)!);
  }
  return { lines: lines.slice(-1), failures };
}

export const processes: Torture = {
  promise: 'Processes on the same run, home and caches lose no update, and one of them trains.',
  count: 10_000,
  run,
};
