/** @file Starts a service with a temporary home and a fake engine, and helpers for tests that use one. */
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createForkedProcesses } from '../../src-main/entry/node/processes.ts';
import { createError } from '../../src-main/base/errors.ts';
import type { Processes } from '../../src-main/service/engines.ts';
import type { OpenTunnel } from '../../src-main/service/remote-hosts.ts';
import type { Environment } from '../../src-main/service/dependencies.ts';
import { createService, type RunningService } from '../../src-main/service/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { FakeBehavior } from './fake-engine.ts';
import { fakeProcesses, type FakeProcesses, type FakeProcessOptions } from './fake-processes.ts';

export const root = resolve(import.meta.dirname, '../..');
/** Stands in for SSH in tests that connect to no other machine. */
export const noTunnel: OpenTunnel = () => Promise.reject(createError('remote/no-ssh', { ssh: 'ssh' }));
/** A tiny checkpoint written by transformers. */
export const exampleCheckpoint = join(root, 'tests', 'fixtures', 'golden', 'llama-tied-gqa');

export const testEnvironment: Environment = {
  version: '0.0.0',
  desktop: false,
  resources: '/nowhere',
  electron: null,
  browser: null,
  runtime: { version: '1.30.0', folder: '/x', cuda: false },
};
export const trainingSettings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  ...trainingDefaults,
  microBatch: 1,
  contextLength: 10,
  tokens: 100,
  saveEvery: 3,
  ...more,
});

export interface TestService<P extends Processes = FakeProcesses> {
  /** The temporary folder that holds the home, the resources and `textFile`. */
  readonly dir: string;
  /** A text to train on. */
  readonly textFile: string;
  readonly service: RunningService;
  readonly processes: P;
  /** Removes `dir`. */
  cleanUp(): Promise<void>;
  /** Starts another service with the same home and engines. */
  restart(): RunningService;
}

/** Starts a service whose engines run in memory. */
export const startTestService = (options: FakeProcessOptions = {}): TestService =>
  startWith(fakeProcesses(options));

/** Starts a service with the real engine, in processes of its own. */
export const startEngineTestService = (): TestService<ReturnType<typeof createForkedProcesses>> =>
  startWith(createForkedProcesses(join(root, 'src-main', 'engine', 'main.ts')));

export interface ForkedEngineOptions {
  readonly behavior?: FakeBehavior;
  readonly stepMs?: number;
}

/** Starts a service whose engines are forked processes. */
export function startForkedTestService({
  behavior = 'obey',
  stepMs = 1,
}: ForkedEngineOptions = {}): TestService<ReturnType<typeof createForkedProcesses>> {
  process.env['FAKE_ENGINE'] = behavior;
  process.env['FAKE_PACE'] = String(stepMs);
  return startWith(createForkedProcesses(join(import.meta.dirname, 'fake-engine-child.ts')));
}

function startWith<P extends Processes>(processes: P): TestService<P> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-test-'));
  const textFile = join(dir, 'text.txt');
  writeFileSync(textFile, 'to be or not to be\n'.repeat(20));
  cpSync(exampleCheckpoint, join(dir, 'resources', 'demo', 'seedling'), { recursive: true });
  const start = (): RunningService =>
    createService({
      home: openHome(join(dir, 'home')),
      processes,
      environment: { ...testEnvironment, resources: join(dir, 'resources') },
      tunnel: noTunnel,
    });
  return {
    dir,
    textFile,
    service: start(),
    processes,
    restart: start,
    cleanUp: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Polls `condition` until it holds; throws after `ms` milliseconds. */
export async function waitUntil(condition: () => Promise<boolean> | boolean, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  throw new Error(`The condition did not hold within ${ms} ms.`);
}

/** All events of a stream, once it has ended. */
export async function collectAll<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** The code of the AppError that `work` rejects with, or `no error`. */
export const errorCodeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (e: unknown) => String((e as { code?: string }).code ?? e),
  );
