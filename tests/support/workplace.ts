/** @file A service on a temporary home with a fake engine, and what a test needs around it. */
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { forkProcesses } from '../../src-main/entry/node/processes.ts';
import { appError } from '../../src-main/base/errors.ts';
import type { Processes } from '../../src-main/service/engines.ts';
import type { OpenTunnel } from '../../src-main/service/remote-hosts.ts';
import type { Surroundings } from '../../src-main/service/dependencies.ts';
import { createService, type RunningService } from '../../src-main/service/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { fakeProcesses, type FakeProcesses, type Mood } from './fake-engine.ts';

export const root = resolve(import.meta.dirname, '../..');
/** For tests that go nowhere. */
export const noTunnel: OpenTunnel = () => Promise.reject(appError('place/no-ssh', { ssh: 'ssh' }));
/** A small checkpoint of real transformers. */
export const example = join(root, 'tests', 'fixtures', 'golden', 'llama-tied-gqa');

export const surroundings: Surroundings = {
  version: '0.0.0',
  desktop: false,
  resources: '/nowhere',
  electron: null,
  browser: null,
  runtime: { version: '1.30.0', folder: '/x', cuda: false },
};
export const settings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  ...trainingDefaults,
  batch: 1,
  sequence: 10,
  tokens: 100,
  saveEvery: 3,
  ...more,
});

export interface Workplace<P extends Processes = FakeProcesses> {
  readonly dir: string;
  readonly text: string;
  readonly running: RunningService;
  readonly processes: P;
  end(): Promise<void>;
  again(): RunningService;
}

export const workplace = (options: NonNullable<Parameters<typeof fakeProcesses>[0]> = {}): Workplace =>
  workplaceOf(fakeProcesses(options));

/** As `workplace`, with engines as processes of their own. */
export const forkedWorkplace = ({
  mood = 'obey',
  pace = 1,
}: { readonly mood?: Mood; readonly pace?: number } = {}): Workplace<ReturnType<typeof forkProcesses>> => {
  process.env['FAKE_ENGINE'] = mood;
  process.env['FAKE_PACE'] = String(pace);
  return workplaceOf(forkProcesses(join(import.meta.dirname, 'fake-engine-child.ts')));
};

function workplaceOf<P extends Processes>(processes: P): Workplace<P> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-test-'));
  const text = join(dir, 'text.txt');
  writeFileSync(text, 'to be or not to be\n'.repeat(20));
  cpSync(example, join(dir, 'resources', 'demo', 'seedling'), { recursive: true });
  const again = (): RunningService =>
    createService({
      home: openHome(join(dir, 'home')),
      processes,
      surroundings: { ...surroundings, resources: join(dir, 'resources') },
      tunnel: noTunnel,
    });
  return {
    dir,
    text,
    running: again(),
    processes,
    again,
    end: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

export const until = async (what: () => Promise<boolean> | boolean, ms = 5000): Promise<void> => {
  for (const end = Date.now() + ms; Date.now() < end;) {
    if (await what()) return;
    await new Promise((r) => {
      setTimeout(r, 5);
    });
  }
  throw new Error(`did not come true in ${ms} ms`);
};
export const collectAll = async <T>(events: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
};
export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (e: unknown) => String((e as { code?: string }).code ?? e),
  );
