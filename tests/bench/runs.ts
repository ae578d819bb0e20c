/**
 * @file `npm run bench runs`: opens 500 runs of 100,000 steps each, a year of work, and one run of a million steps,
 * in a process that has read none of them.
 */
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { runVersion, type RunEvent, type RunSettings } from '../../src-main/train/run.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { runChild } from './child.ts';

interface OpenReport {
  readonly listMs: number;
  readonly chartMs: number;
  readonly chartEvents: number;
  readonly rangeMs: number;
  readonly rangeEvents: number;
  readonly longestBlockMs: number;
}

const tokensPerStep = 2048;
const time = '2026-01-01T00:00:00Z';

const stepEvent = (step: number): RunEvent => ({
  type: 'step',
  step,
  lr: 3e-4,
  loss: 2 + 2 / Math.sqrt(step) + 0.1 * Math.sin(step * 12.9898),
  gradNorm: 0.7,
  updateRatio: 1.2e-3,
  tokens: step * tokensPerStep,
  seconds: 0.21,
});

/** Writes the folder of a finished run with this many steps. */
export function writeRun(dir: string, steps: number): void {
  const settings: RunSettings = {
    version: runVersion,
    name: 'a run',
    created: time,
    checkpoint: '/x',
    data: ['/y'],
    settings: { ...trainingDefaults, tokens: steps * tokensPerStep },
  };
  const started: RunEvent = {
    type: 'started',
    step: 0,
    device: 'cpu',
    deviceName: 'x',
    parameters: 1e6,
    steps,
    trainTokens: 1e9,
    heldOutTokens: 1e6,
    time,
  };
  const stopped: RunEvent = { type: 'stopped', step: steps, reason: 'finished', time };
  mkdirSync(join(dir, 'checkpoints'), { recursive: true });
  writeFileSync(join(dir, 'settings.json'), JSON.stringify(settings));
  const file = openSync(join(dir, 'events.jsonl'), 'w');
  const toLine = (event: RunEvent): string => `${JSON.stringify(event)}\n`;
  let text = toLine(started);
  for (let step = 1; step <= steps; step++) {
    text += toLine(stepEvent(step));
    if (text.length > 1 << 20) {
      writeSync(file, text);
      text = '';
    }
  }
  writeSync(file, text + toLine(stopped));
  closeSync(file);
}

/**
 * Copies a run that was opened before. Its events are an empty file of the same length: opening a list must not
 * read them.
 */
function copyWithoutEvents(from: string, to: string): void {
  mkdirSync(join(to, 'checkpoints'), { recursive: true });
  for (const name of ['settings.json', 'digest.json', 'history.json'])
    cpSync(join(from, name), join(to, name));
  writeFileSync(join(to, 'events.jsonl'), '');
  truncateSync(join(to, 'events.jsonl'), statSync(join(from, 'events.jsonl')).size);
}

const openRuns = (home: string): OpenReport =>
  runChild<OpenReport>(process.execPath, [join(import.meta.dirname, 'open-runs.ts'), home]);

function print(what: string, report: OpenReport): void {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const parts = [
    `list ${ms(report.listMs)}`,
    `chart ${ms(report.chartMs)} (${report.chartEvents} events)`,
    `${report.rangeEvents} steps ${ms(report.rangeMs)}`,
    `longest block ${ms(report.longestBlockMs)}`,
  ];
  console.log(`  ${what.padEnd(44)} ${parts.join(', ')}`);
}

export function benchRuns(scratch: string): void {
  console.log('\nOpening runs in a process that has read none of them');
  const million = join(scratch, 'million');
  writeRun(join(million, 'run'), 1_000_000);
  print('1 run of 1,000,000 steps, first time', openRuns(million));
  print('the same, with a cached summary', openRuns(million));

  const year = join(scratch, 'year');
  const firstRun = join(year, 'run-000');
  writeRun(firstRun, 100_000);
  openRuns(year);
  for (let i = 1; i < 500; i++) {
    copyWithoutEvents(firstRun, join(year, `run-${String(i).padStart(3, '0')}`));
  }
  print('500 runs of 100,000 steps', openRuns(year));
}
