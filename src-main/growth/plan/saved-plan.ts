/** @file A plan with its source: the content of a plan file, and the `plan` of growth.json. */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { settingsOf } from '../../model/config.ts';
import { families } from '../../model/families/index.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';
import { planSource, planStage } from './plan-schema.ts';
import { upgradePlan } from './upgrade-plan.ts';
import { planStages } from './stages.ts';

/** The checkpoint that a plan was made for: everything that the planner reads of it. */
export interface PlanSource {
  readonly name: string;
  readonly family: string;
  readonly dims: Dims;
  readonly config: JsonObject;
  readonly tensors: readonly { readonly name: string; readonly dtype: WeightDType }[];
  /** Fingerprint of the weights; null if only the file headers were read. */
  readonly fingerprint: string | null;
}

/**
 * A plan as JSON: a plan file, the `plan` of growth.json, and the input of the engine. The stages alone
 * determine the grown bytes.
 */
export interface SavedPlan {
  readonly format: 'cambium-plan';
  readonly version: 3;
  readonly source: PlanSource;
  readonly stages: readonly GrowthPlan[];
}

export type NamedSource = GrowthSource & { readonly name: string };

export const describeSource = (
  { name, family, dims, config, tensors }: NamedSource,
  fingerprint: string | null,
): PlanSource => ({
  name,
  family,
  dims,
  config,
  tensors: tensors.map((t) => ({ name: t.name, dtype: t.dtype })),
  fingerprint,
});

/** Plans one growth, or several in sequence. Refuses what `planStages` refuses. */
export const createSavedPlan = (
  source: NamedSource,
  request: GrowthRequest | readonly GrowthRequest[],
  fingerprint: string | null,
): SavedPlan => ({
  format: 'cambium-plan',
  version: 3,
  source: describeSource(source, fingerprint),
  stages: planStages(source, toRequestList(request)),
});

const toRequestList = (request: GrowthRequest | readonly GrowthRequest[]): readonly GrowthRequest[] =>
  'method' in request ? [request] : request;

/** The ids of the stages' methods, in order: "hypercloning + identity". */
export const joinMethodIds = (stages: readonly GrowthPlan[]): string =>
  stages.map((plan) => plan.request.method).join(' + ');

/**
 * The stages of a growth record, oldest first. With `before`, also those of the growths that its source came
 * from. Refuses `growth/bad-plan`.
 */
export function stagesFromRecord(
  record: { readonly plan: unknown; readonly before?: readonly unknown[] } | null | undefined,
  { before = false } = {},
): readonly GrowthPlan[] {
  if (!record) return [];
  const saved = before ? [...(record.before ?? []), record.plan] : [record.plan];
  // Early versions of Cambium stored the only stage itself.
  const stages = saved.map(upgradePlan).flatMap((plan): readonly unknown[] => {
    const { stages: given } = (plan ?? {}) as { readonly stages?: unknown };
    return Array.isArray(given) ? (given as unknown[]) : [plan];
  });
  return stages.map((stage) => parseStage(stage));
}

/** The file may have been edited by hand. */
function parseStage(stage: unknown): GrowthPlan {
  const parsed = planStage.safeParse(stage);
  if (parsed.success) return parsed.data as unknown as GrowthPlan;
  const { path, message } = parsed.error.issues[0]!;
  return refuse('growth/bad-plan', {
    path: 'growth.json',
    why: `${path.join('.') || 'a stage'}: ${message}`,
  });
}

/** The source of a growth record; undefined for records of versions of Cambium that did not store it. */
export function sourceFromRecord(
  record: { readonly plan: unknown } | null | undefined,
): Pick<GrowthSource, 'family' | 'dims' | 'settings' | 'tensors'> | undefined {
  const source = planSource.safeParse((record?.plan as Partial<SavedPlan> | undefined)?.source).data;
  if (!source) return undefined;
  const family = families.get(source.family);
  if (!family) return undefined;
  return {
    family: source.family,
    dims: source.dims,
    settings: settingsOf(family, source.config),
    tensors: source.tensors,
  };
}
