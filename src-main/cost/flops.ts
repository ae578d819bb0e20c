/** @file Training FLOPs of one token, counted in the graphs of an update. */
import type { DeviceKind } from '../base/device.ts';
import { familyById } from '../model/families/index.ts';
import { countParameters } from '../model/parameters.ts';
import { tokensPerStep } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { programsOf, type Subject } from './programs.ts';
import { workOf } from './work.ts';

/**
 * Floating-point operations of matrix products in one update, over the tokens of the update. What a run computes
 * again to save memory does not count (PaLM, appendix B: model FLOPs).
 */
export function trainingFlopsPerToken(subject: Subject, s: TrainingSettings, device: DeviceKind): number {
  const { update } = programsOf(subject, { ...s, activationCheckpointing: 'off' }, device);
  const flops = update.reduce((sum, { graph, times }) => sum + times * workOf(graph).flops, 0);
  return flops / tokensPerStep(s);
}

/**
 * Model FLOPs of one training token: 6 N + 12 · layers · hidden · context length (PaLM, appendix B,
 * Chowdhery et al. 2022). Published figures of model FLOPs utilization (MFU) use it. It counts attention as if
 * every position attended to all others, so it exceeds `trainingFlopsPerToken`.
 */
export function modelFlopsPerToken({ family: id, dims, settings }: Subject, contextLength: number): number {
  const parameters = countParameters(familyById(id), dims, settings);
  return 6 * parameters + 12 * dims['layers']! * dims['hidden']! * contextLength;
}
