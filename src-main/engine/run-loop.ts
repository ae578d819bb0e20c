/** @file A run, step after step: feed, update, report, save. Stopping is answered between two steps. */
import { join } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { RunEvent } from '../contract/schema.ts';
import { parameterCount } from '../model/parameters.ts';
import type { Checkpoint } from '../store/checkpoint.ts';
import { openTokenizer } from '../store/tokenizer.ts';
import type { Tokens } from '../store/tokens.ts';
import { splitTokens, windowStarts } from '../train/batches.ts';
import type { RunSettings } from '../train/run.ts';
import { tokensPerStep } from '../train/schedule.ts';
import type { Device } from './ort/device.ts';
import { heldOut, heldOutLoss, sampled } from './run-measures.ts';
import { modelFolder, saveCheckpoint, type StepRecord } from './step-checkpoint.ts';
import type { Training } from './training.ts';
import type { Loaded } from './weights.ts';

/** All that stays the same from the first step of a sitting to its last. */
export interface Sitting {
  readonly dir: string; readonly run: RunSettings; readonly base: Checkpoint; readonly tokens: Tokens; readonly device: Device; readonly steps: number;
  stop(): boolean;
  begin(): Promise<void>;
}


/** From the state in `loaded` to the last step, or until told to stop. */
export async function* steppedThrough({ dir, run, base, tokens, device, steps, stop, begin }: Sitting, loaded: Loaded, training: Training, record: StepRecord | undefined): AsyncGenerator<RunEvent> {
  const s = run.settings, split = splitTokens(tokens.length, s.heldOut, s.sequence), now = (): string => new Date().toISOString();
  const held = heldOut(tokens, split.train, s.sequence), tokenizer = await openTokenizer(base.dir);
  let side = base.dir;                                                 // after a resume that is a saved step, which later ones will push out
  let step = record?.step ?? 0, seconds = record?.seconds ?? 0, saved = step;
  const evaluated = async (): Promise<RunEvent> => ({ at: 'evaluated', step, loss: await heldOutLoss(device, loaded, s, held), tokens: held.length * s.sequence });
  const save = async (): Promise<RunEvent> => {
    const folder = await saveCheckpoint(device, dir, base, loaded, { version: 1, step, tokens: step * tokensPerStep(s), seconds, trainTokens: split.train }, side);
    side = join(folder, modelFolder);
    saved = step;
    return { at: 'saved', step, dir: folder };
  };
  await begin();
  yield { at: 'started', step, device: device.kind, deviceName: device.name, parameters: parameterCount(base.family, base.dims, base.settings), steps, trainTokens: split.train, heldOutTokens: split.heldOut, time: now() };
  if (!record && held.length > 0) yield await evaluated();
  const every = (n: number): boolean => n > 0 && step % n === 0;
  while (step < steps && !stop()) {
    const began = performance.now();
    const report = await training.step(step + 1, (i, into) => {
      windowStarts(step * s.accumulate + i, { batch: s.batch, sequence: s.sequence, seed: s.seed, train: split.train })
        .forEach((start, row) => { tokens.read(start, s.sequence + 1, into.subarray(row * (s.sequence + 1), (row + 1) * (s.sequence + 1))); });
    });
    step++;
    for (const what of ['loss', 'norm'] as const) if (!Number.isFinite(report[what])) refuse('run/not-finite', { step, what: what === 'norm' ? 'gradient norm' : what });
    const took = (performance.now() - began) / 1000;
    seconds += took;
    yield { at: 'step', step, ...report, tokens: step * tokensPerStep(s), seconds: took };
    const last = step === steps;
    if (held.length > 0 && (last || every(s.evaluateEvery))) yield await evaluated();
    if (last || every(s.sampleEvery)) yield await sampled(device, loaded, tokenizer, s, step);
    if (last || every(s.saveEvery)) yield await save();
  }
  if (saved !== step || step === 0) yield await save();
  yield { at: 'stopped', step, reason: step >= steps ? 'finished' : 'asked', time: now() };
}
