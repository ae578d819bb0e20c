/** @file Certifies a grown model: it reads the same tokens as its source, and their logits are compared. */
import type { Certificate } from '../../contract/schema.ts';
import { createLogitComparison, computeTolerance } from '../../growth/certificate.ts';
import { combinePromises } from '../../growth/plan/stages.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import type { Device } from '../ort/device.ts';
import { computeLogitPair, type CompareOptions } from './logit-pair.ts';

/** Compares a grown checkpoint with its source. Throws `cancelled`. */
export async function certify(
  device: Device,
  sourceDir: string,
  grownDir: string,
  options: CompareOptions = {},
): Promise<Certificate> {
  const source = await openCheckpoint(sourceDir);
  const grown = await openCheckpoint(grownDir);
  const { before, after, next, vocab, textSource } = await computeLogitPair(device, source, grown, options);
  const comparison = createLogitComparison(vocab);
  comparison.add(before, after, next);
  const difference = comparison.result();
  const stages = stagesFromRecord(grown.growth);
  const promise = combinePromises(stages).kind;
  const dtypes = [...new Set([...source.summary.dtypes, ...grown.summary.dtypes])];
  const tolerance = computeTolerance(dtypes, difference.rmsLogit);
  const isExact = difference.maxLogit <= tolerance;
  const hasFiniteLogits = Number.isFinite(difference.maxLogit);
  return {
    ...difference,
    promise,
    ...(stages.length > 1
      ? { stages: stages.map((plan) => ({ method: plan.request.method, promise: plan.promise.kind })) }
      : {}),
    tolerance,
    passed: promise === 'approximate' ? hasFiniteLogits : isExact,
    device: device.kind,
    text: textSource,
  };
}
