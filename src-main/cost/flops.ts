/** @file Training FLOPs of one token, counted in the graphs of an update. */
import type { DeviceKind } from '../base/device.ts';
import { tokensPerStep } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { programsOf, type Subject } from './programs.ts';
import { workOf } from './work.ts';

/** Floating-point operations of matrix products in one update, over the tokens of the update. */
export function trainingFlopsPerToken(subject: Subject, s: TrainingSettings, device: DeviceKind): number {
  const { update } = programsOf(subject, s, device);
  const flops = update.reduce((sum, { graph, times }) => sum + times * workOf(graph).flops, 0);
  return flops / tokensPerStep(s);
}
