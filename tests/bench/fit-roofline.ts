/** @file Fits the efficiencies of the roofline to measured steps. */
import type { JsonObject } from '../../src-main/base/json.ts';
import type { DeviceFacts } from '../../src-main/cost/book.ts';
import { resolveSettings } from '../../src-main/cost/checkpointing.ts';
import { programsOf } from '../../src-main/cost/programs.ts';
import {
  kernelsOf,
  rooflineSeconds,
  usualEfficiency,
  type KernelEfficiency,
  type KernelGroup,
} from '../../src-main/cost/roofline.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { subjectOf } from '../cost/subjects.ts';

/** A measured step in bfloat16. */
export interface MeasuredStep {
  readonly name: string;
  readonly config: JsonObject;
  readonly microBatch: number;
  readonly contextLength: number;
  readonly seconds: number;
}
export interface RooflineFit extends KernelEfficiency {
  /** Largest relative difference between a step and its roofline. */
  readonly worst: number;
}

/** The kernels of a step. */
function kernelsOfStep(
  { config, microBatch, contextLength }: MeasuredStep,
  memory: number | null,
): readonly KernelGroup[] {
  const subject = subjectOf(config);
  const settings = {
    ...trainingDefaults,
    microBatch,
    contextLength,
    precision: 'bfloat16',
    device: 'cuda',
  } as const;
  const { update } = programsOf(subject, resolveSettings(subject, settings, 'cuda', memory), 'cuda');
  return kernelsOf(update[0]!.graph);
}

const shares = Array.from({ length: 96 }, (_, i) => (i + 5) / 100);

/**
 * The shares of arithmetic and bandwidth with which the rooflines are closest to the steps, by the sum of squared
 * logarithms. What else the efficiency has stays as it is.
 */
export function fitEfficiency(
  steps: readonly MeasuredStep[],
  { peaks, bandwidth, memory }: Pick<DeviceFacts, 'peaks' | 'bandwidth' | 'memory'>,
): RooflineFit {
  const peak = peaks.bfloat16;
  if (peak === undefined || bandwidth === null) throw new RangeError('the peak or the bandwidth is unknown');
  const measured = steps.map((step) => ({ kernels: kernelsOfStep(step, memory), seconds: step.seconds }));
  const errorsOf = (products: number, streams: number): readonly number[] =>
    measured.map(({ kernels, seconds }) =>
      Math.log(
        rooflineSeconds(kernels, { peak, bandwidth, efficiency: { ...usualEfficiency, products, streams } }) /
          seconds,
      ),
    );
  let best = { products: 1, streams: 1, error: Infinity };
  for (const products of shares) {
    for (const streams of shares) {
      const error = errorsOf(products, streams).reduce((sum, e) => sum + e * e, 0);
      if (error < best.error) best = { products, streams, error };
    }
  }
  const { products, streams } = best;
  const worst = Math.max(...errorsOf(products, streams).map((e) => Math.abs(Math.expm1(e))));
  return { ...usualEfficiency, products, streams, worst };
}
