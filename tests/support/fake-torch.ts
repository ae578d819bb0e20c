/**
 * @file A Python without PyTorch for tests: it answers what resources/distributed/inspect_python.py asks, and in the
 * place of torchrun it writes the events of a trainer.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from './temporary.ts';

export interface FakeTorch {
  /** Packages that it lacks. */
  readonly missing?: readonly string[];
  readonly gpus?: readonly string[];
  /** How the trainer ends: it finishes, waits for the file `stop`, fails with an error of its own, or crashes. */
  readonly behavior?: 'finish' | 'wait' | 'fail' | 'crash';
}

/** Creates the Python and returns its path. The trainer's arguments and environment are in `calls.json` of its work. */
export function createFakeTorch({ missing = [], gpus = [], behavior = 'finish' }: FakeTorch = {}): string {
  const path = join(freshFolder('python'), 'python');
  const report = { python: '3.12.1', packages: { torch: '2.13.0' }, missing, gpus };
  writeFileSync(path, script(JSON.stringify(report), behavior));
  chmodSync(path, 0o755);
  return path;
}

const script = (report: string, behavior: string): string => `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
if (args[0].endsWith('inspect_python.py')) {
  console.log(${JSON.stringify(report)});
  process.exit(0);
}
const work = args.at(-1);
writeFileSync(join(work, 'calls.json'), JSON.stringify({ args, pid: process.env.CAMBIUM_PID }));
const time = '2026-01-01T00:00:00.000Z';
const emit = (event) => appendFileSync(join(work, 'events.jsonl'), JSON.stringify(event) + '\\n');
const { settings } = JSON.parse(readFileSync(join(work, 'settings.json'), 'utf8'));
const tokens = settings.microBatch * settings.contextLength * settings.gradAccum;
const steps = Math.ceil(settings.tokens / tokens);
emit({ type: 'started', step: 0, device: 'cpu', deviceName: 'fake', memory: null, parameters: 1, steps,
  trainTokens: 1, heldOutTokens: 0, time });
const takeStep = (step) => emit({ type: 'step', step, lr: 0.1, loss: 2 / step, gradNorm: 1, updateRatio: 0.1,
  tokens: step * tokens, seconds: 0.01 });
const stop = (step, reason, error) => emit({ type: 'stopped', step, reason, error, time });
let step = 0;
const act = {
  finish() {
    while (step < steps) takeStep(++step);
    stop(step, 'finished');
  },
  wait() {
    const timer = setInterval(() => {
      takeStep(++step);
      if (!existsSync(join(work, 'stop'))) return;
      clearInterval(timer);
      stop(step, 'requested');
    }, 30);
  },
  fail() {
    stop(0, 'failed', { code: 'torch/no-tensor-plan', detail: { model: 'llama', why: 'it has none' } });
  },
  crash() {
    takeStep(++step);
    console.error('Traceback: out of luck');
    process.exit(3);
  },
};
act[${JSON.stringify(behavior)}]();
`;
