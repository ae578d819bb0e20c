/** @file A week of use in an hour: a long run with saves, evaluations and samples, many pages and many engines. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWebSocketChannel, type WebSocketLike } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { service, type Service } from '../../../src-main/contract/service.ts';
import { openProvenSocket } from '../../../src-main/entry/handshake.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { startOwnServer, type OwnServer } from '../neighbour/server.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import { compareQuarters, countFiles, measuredEnvironment, readUsage, type Usage } from './usage.ts';

/** Page connections and engines for each 10,000 steps. */
const pagesPer = 200 / 10_000;
const enginesPer = 50 / 10_000;
/** Milliseconds between two readings. */
const readInterval = 300;
/** Steps after which a run has saved, evaluated and sampled, and so has made all files that it makes once. */
const warmSteps = 100;
/**
 * What may be more at the end than early on: a share of the memory and bytes, of live objects and of the process, open
 * files, and files on disk.
 */
const memoryShare = 0.15;
const liveBytes = 5e6;
const memoryBytes = 30e6;
const maxHandles = 6;
/** More than one checkpoint has: one may be in the making. */
const maxFiles = 16;
/** Milliseconds within which the server closes the connections of pages that are gone. */
const closeTime = 3000;
const contextLength = 16;

interface Owner {
  readonly api: Service;
  leave(): void;
}
async function openPage({ port, token }: OwnServer): Promise<Owner> {
  const socket = await openProvenSocket({ port }, token, { timeout: 60_000 });
  const api = connect(service, createWebSocketChannel(socket as unknown as WebSocketLike));
  return {
    api,
    leave() {
      socket.terminate();
    },
  };
}

/** A page that is opened, looks at the run, follows it for a while, and is closed in the middle of it. */
async function visit(server: OwnServer, id: string): Promise<void> {
  const { api, leave } = await openPage(server);
  try {
    await Promise.all([api.about({}), api.runs({}), api.runHistory({ id }), api.checkpoints({})]);
    let events = 0;
    for await (const event of api.followRun({ id, from: 0 })) {
      void event;
      if (++events === 20) break;
    }
  } finally {
    leave();
  }
}

/** Generates a few tokens in an engine of its own; every other page is closed before they have come. */
async function generate(server: OwnServer, from: string, isPatient: boolean): Promise<void> {
  const { api, leave } = await openPage(server);
  const request = { from, prompt: 'the', tokens: 4, temperature: 1, seed: 1, device: 'cpu' } as const;
  try {
    for await (const event of api.sample(request)) if (event.type === 'done' || !isPatient) break;
  } finally {
    leave();
  }
}

type Measure = 'live' | 'memory' | 'handles' | 'engineLive' | 'engineMemory' | 'engineHandles' | 'files';
type Readings = Record<Measure, number[]>;

/** Compares the readings of early on with those of the end, and with the server after the last page and engine. */
function judge({ afterwards, ...found }: Life): TortureReport {
  const lines: string[] = [];
  const failures: string[] = [];
  const check = (
    what: string,
    [early, late]: readonly [number, number],
    unit: number,
    limit: (early: number) => number,
    when = 'at the end',
  ): void => {
    const line = `${what}: ${Math.round(early / unit)} early, ${Math.round(late / unit)} ${when}`;
    lines.push(line);
    if (!(late <= limit(early))) failures.push(line);
  };
  const compare = (
    what: string,
    values: readonly number[],
    unit: number,
    limit: (early: number) => number,
  ): void => {
    const { early, late } = compareQuarters(values);
    check(`${what} (${values.length} readings)`, [early, late], unit, limit);
  };
  const memoryLimit =
    (bytes: number) =>
    (early: number): number =>
      early * (1 + memoryShare) + bytes;
  compare('MB of live objects of the server', found.live, 1e6, memoryLimit(liveBytes));
  compare('MB of the server', found.memory, 1e6, memoryLimit(memoryBytes));
  compare('open files of the server', found.handles, 1, (early) => early + maxHandles);
  compare('MB of live objects of the engine', found.engineLive, 1e6, memoryLimit(liveBytes));
  compare('MB of the engine', found.engineMemory, 1e6, memoryLimit(memoryBytes));
  compare('open files of the engine', found.engineHandles, 1, (early) => early + maxHandles);
  compare('files of home and run', found.files, 1, (early) => early + maxFiles);
  // Pages and engines may take longer than the run.
  const when = 'after the last page and engine';
  const live = [compareQuarters(found.live).early, afterwards?.live ?? NaN] as const;
  const handles = [compareQuarters(found.handles).early, afterwards?.handles ?? NaN] as const;
  check('MB of live objects of the server', live, 1e6, memoryLimit(liveBytes), when);
  check('open files of the server', handles, 1, (early) => early + maxHandles, when);
  return { lines, failures };
}

interface Life extends Readings {
  readonly pages: number;
  readonly engines: number;
  readonly steps: number;
  /** Visits and samples that failed. */
  readonly failed: readonly string[];
  /** What the server uses after all of them. */
  readonly afterwards: Usage | undefined;
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Where the server and the engines write what they use. */
const memoryFolder = (scratch: string): string => join(scratch, 'memory');

/** Trains while pages come and go, and reads meanwhile what is used. */
async function live(
  server: OwnServer,
  { scratch, note }: TortureOptions,
  run: { readonly id: string; readonly checkpoint: string },
): Promise<Life> {
  const found: Readings = {
    ...{ live: [], memory: [], handles: [] },
    ...{ engineLive: [], engineMemory: [], engineHandles: [], files: [] },
  };
  const { api, leave } = await openPage(server);
  let steps = 0;
  let pages = 0;
  let engines = 0;
  /** Visits and samples in turn, so that they keep pace with the run. */
  let visits: Promise<unknown> = Promise.resolve();
  const failed: string[] = [];
  const then = (what: string, work: () => Promise<void>): void => {
    visits = visits.then(work).catch((error: unknown) => failed.push(`${what}: ${String(error)}`));
  };
  let isOver = false;
  const read = async (): Promise<void> => {
    const own = await readUsage(server.pid, memoryFolder(scratch));
    const state = JSON.parse(readFileSync(join(run.id, 'state.json'), 'utf8')) as { readonly pid: number };
    const engine = state.pid === server.pid ? undefined : await readUsage(state.pid, memoryFolder(scratch));
    if (!own || !engine || isOver) return;
    found.live.push(own.live);
    found.memory.push(own.resident);
    found.handles.push(own.handles);
    found.engineLive.push(engine.live);
    found.engineMemory.push(engine.resident);
    found.engineHandles.push(engine.handles);
    found.files.push(countFiles(scratch));
  };
  const readings = (async () => {
    for (; !isOver; await wait(readInterval)) if (steps > warmSteps) await read();
  })();
  for await (const event of api.followRun({ id: run.id, from: 0 })) {
    if (event.type !== 'step') continue;
    steps = event.step;
    if (pages < steps * pagesPer) {
      pages++;
      then(`page ${pages}`, () => visit(server, run.id));
    }
    if (engines < steps * enginesPer) {
      const isPatient = engines++ % 2 === 0;
      then(`engine ${engines}`, () => generate(server, run.checkpoint, isPatient));
    }
    if (steps % 1000 === 0) note(`step ${steps}, ${pages} pages, ${engines} engines`);
  }
  isOver = true;
  await readings;
  await visits;
  leave();
  await wait(closeTime);
  const afterwards = await readUsage(server.pid, memoryFolder(scratch));
  return { ...found, pages, engines, steps, failed, afterwards };
}

async function run(options: TortureOptions): Promise<TortureReport> {
  const { scratch, count, seed } = options;
  if (process.platform !== 'linux') return { lines: ['skipped: needs /proc'], failures: [] };
  const text = join(scratch, 'text.txt');
  writeFileSync(text, 'the trees grow and the rivers flow\n'.repeat(500));
  const checkpoint = await makeTinyCheckpoint('llama', { dir: join(scratch, 'model'), tokenizer: true });
  const home = join(scratch, 'home');
  mkdirSync(home, { recursive: true });
  mkdirSync(memoryFolder(scratch));
  const server = await startOwnServer(home, ['--port', '0'], measuredEnvironment(memoryFolder(scratch)));
  try {
    const { api, leave } = await openPage(server);
    const started = await api.startRun({
      checkpoint,
      data: [text],
      out: join(scratch, 'run'),
      settings: {
        ...trainingDefaults,
        ...{ microBatch: 1, gradAccum: 1, contextLength, tokens: count * contextLength, seed, threads: 1 },
        ...{ saveEvery: 25, evaluateEvery: 50, sampleEvery: warmSteps, prompt: 'the' },
      },
    });
    leave();
    const lived = await live(server, options, { id: started.id, checkpoint });
    const { lines, failures: grown } = judge(lived);
    const failures = [...grown, ...lived.failed];
    const { steps, pages, engines } = lived;
    if (steps < count) failures.push(`the run ended after ${steps} of ${count} steps`);
    return { lines: [`${steps} steps, ${pages} page connections, ${engines} engines`, ...lines], failures };
  } finally {
    await server.stop();
  }
}

export const week: Torture = {
  promise: 'Memory, open files and files on disk do not grow with steps, page connections and engines.',
  count: 10_000,
  run,
};
