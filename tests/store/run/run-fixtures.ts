/** @file Runs and events for the tests of the run folder. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorData } from '../../../src-main/base/errors.ts';
import { createRun } from '../../../src-main/store/run/runs.ts';
import type {
  RunEvent,
  StartedEvent,
  StepEvent,
  StoppedEvent,
  UsageEvent,
} from '../../../src-main/train/run.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { freePath } from '../../support/temporary.ts';

/** A process id that no process has. */
export const deadPid = 2 ** 22 + 12_345;

export const startedAt = (step: number, steps = 40): StartedEvent => ({
  type: 'started',
  step,
  device: 'cpu',
  deviceName: 'CPU',
  parameters: 10,
  steps,
  trainTokens: 900,
  heldOutTokens: 100,
  time: '2026-01-01T00:00:00Z',
});

export const stepAt = (step: number, loss = 5 - step / 100): StepEvent => ({
  type: 'step',
  step,
  loss,
  lr: 1e-3,
  gradNorm: 1,
  tokens: step * 64,
  seconds: 0.5,
});

export const usageAt = (step: number, cost: number): UsageEvent => ({
  type: 'usage',
  step,
  seconds: step / 2,
  memory: null,
  watts: null,
  utilisation: null,
  temperature: null,
  energy: null,
  powerSource: null,
  cost,
});
export const stoppedAt = (step: number, reason: StoppedEvent['reason'], error?: ErrorData): StoppedEvent => ({
  type: 'stopped',
  step,
  reason,
  time: '2026-01-01T00:00:01Z',
  ...(error ? { error } : {}),
});

/** The lines of events.jsonl. */
export const toLines = (events: readonly RunEvent[]): string =>
  events.map((event) => `${JSON.stringify(event)}\n`).join('');

/** Creates a run of 40 steps and returns its folder. */
export async function createTestRun(): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, {
    name: 'first',
    checkpoint: '/c',
    data: ['/d.txt'],
    settings: { ...trainingDefaults, tokens: 2560, microBatch: 1, contextLength: 64 },
  });
  return dir;
}

/** Leaves the folder as it is when its process is killed during training. */
export function simulateKill(dir: string): void {
  const holder = { pid: deadPid, born: null };
  const mark = { ...holder, state: 'running', heartbeat: Date.now(), hasStopped: false };
  writeFileSync(join(dir, 'state.json'), JSON.stringify(mark));
  if (existsSync(join(dir, 'lock'))) writeFileSync(join(dir, 'lock'), JSON.stringify(holder));
}
