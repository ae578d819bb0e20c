/** @file Model FLOPs utilisation of a run: the model's FLOPs per second over the peak of its device. */
import { peakOf, type Target } from '../../src-main/cost/speed.ts';
import type { StartedEvent } from '../../src-main/train/run.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';

/** Training FLOPs per token and parameter: 2 in the forward pass, 4 in the backward pass (PaLM, appendix B). */
const flopsPerParameter = 6;

export interface Utilisation {
  /** 0 to 1. */
  readonly share: number;
  /** True if the peak is that of the device's data sheet, false if it was measured with large matrix products. */
  readonly isPublishedPeak: boolean;
}

/** The utilisation at a speed; undefined while the speed or the peak of the device is unknown. */
export function utilisationOf(
  tokensPerSecond: number,
  started: Pick<StartedEvent, 'parameters' | 'flopsPerToken'>,
  target: Pick<Target, 'facts' | 'cores' | 'measured'> | undefined,
  settings: Pick<TrainingSettings, 'precision' | 'tf32'>,
): Utilisation | undefined {
  const published = target && peakOf(target, settings);
  const peak = published ?? target?.measured?.product;
  if (peak === undefined || !(tokensPerSecond > 0)) return undefined;
  const flops = tokensPerSecond * (started.flopsPerToken ?? flopsPerParameter * started.parameters);
  return { share: flops / peak, isPublishedPeak: published !== undefined };
}
