/** @file The differences between two plans, as text. */
import type { GrowthPlan } from '../recipe.ts';
import { isEqual } from './compare-json.ts';
import type { SavedPlan } from './saved-plan.ts';
import { diffWeights } from './weight-diff.ts';

/** One difference. A plan that lacks the thing has null. */
export interface Difference {
  readonly where: string;
  readonly what: string;
  readonly first: string | null;
  readonly second: string | null;
}

/**
 * All differences between two plans: source, requests, and recipes of weights. Empty for plans that make the
 * same bytes from the same source.
 */
export function diffPlans(a: SavedPlan, b: SavedPlan): readonly Difference[] {
  const stageCount = Math.max(a.stages.length, b.stages.length);
  const stages = Array.from({ length: stageCount }, (_, i) =>
    diffStages(`Stage ${i + 1}`, a.stages[i], b.stages[i]),
  );
  return [...diffSources(a, b), ...stages.flat()];
}

function diffSources({ source: a }: SavedPlan, { source: b }: SavedPlan): readonly Difference[] {
  const where = 'Source';
  return [
    ...compare(where, 'name', a.name, b.name),
    ...compare(where, 'family', a.family, b.family),
    ...compareEntries(where, a.dims, b.dims, (key) => key),
    ...compareEntries(where, a.config, b.config, (key) => `config ${key}`),
    ...compare(where, 'fingerprint of the weights', a.fingerprint ?? undefined, b.fingerprint ?? undefined),
  ];
}

function diffStages(
  where: string,
  a: GrowthPlan | undefined,
  b: GrowthPlan | undefined,
): readonly Difference[] {
  const method = compare(where, 'method', a?.request.method, b?.request.method);
  if (!a || !b) return method;
  return [
    ...method,
    ...compareEntries(where, a.request.options, b.request.options, (key) => `option ${key}`),
    ...compare(where, 'seed', a.request.seed, b.request.seed),
    ...compare(where, 'dtype', a.request.dtype, b.request.dtype),
    ...compareEntries(where, a.to, b.to, (key) => `${key} after`),
    ...compareEntries(where, a.config, b.config, (key) => `config ${key}`),
    ...compare(where, 'parameters', a.parameters.after, b.parameters.after),
    ...compare(where, 'promise', a.promise.kind, b.promise.kind),
    ...compare(where, 'layers come from', describeLayers(a), describeLayers(b)),
    ...diffWeights(a, b).map((difference) => ({ where, ...difference })),
  ];
}

function compare(where: string, what: string, first: unknown, second: unknown): readonly Difference[] {
  if (isEqual(first, second)) return [];
  return [{ where, what, first: toTextOrNull(first), second: toTextOrNull(second) }];
}

function compareEntries(
  where: string,
  first: Readonly<Record<string, unknown>>,
  second: Readonly<Record<string, unknown>>,
  describe: (key: string) => string,
): readonly Difference[] {
  const keys = new Set([...Object.keys(first), ...Object.keys(second)]);
  return [...keys].flatMap((key) => compare(where, describe(key), first[key], second[key]));
}

function toTextOrNull(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const describeLayers = ({ layers }: GrowthPlan): string =>
  layers.map(({ source, identity }) => `${source + 1}${identity ? ' (identity)' : ''}`).join(', ');
