/** @file Reads plan files: checks their schema, and that their stages fit together. */
import { refuse } from '../../base/errors.ts';
import { dimsOf, settingsOf } from '../../model/config.ts';
import { families } from '../../model/families/index.ts';
import type { ModelFamily } from '../../model/family.ts';
import { parametersOf } from '../../model/parameters.ts';
import type { AxisMap } from '../../tensor/axis-map.ts';
import { parseLayout, type Dims } from '../../tensor/layout.ts';
import type { GrowthPlan } from '../recipe.ts';
import { isEqual, toText } from './compare-json.ts';
import { planFile, planVersion } from './plan-schema.ts';
import { upgradePlan } from './upgrade-plan.ts';
import type { PlanSource, SavedPlan } from './saved-plan.ts';

/**
 * Reads and checks a plan of this or an older format version. `path` names it in messages. Refuses
 * `growth/bad-plan`.
 */
export function readPlan(json: unknown, path: string): SavedPlan {
  const found = (json as { version?: unknown } | null)?.version;
  if (typeof found === 'number' && found > planVersion)
    refuse('growth/bad-plan', {
      path,
      why: `it has version ${found}, and this Cambium reads versions up to ${planVersion}`,
    });
  const read = planFile.safeParse(upgradePlan(json));
  if (!read.success) {
    const issue = read.error.issues[0]!;
    const field = issue.path.map(String).join('.') || 'it';
    return refuse('growth/bad-plan', { path, why: `${field}: ${issue.message}` });
  }
  const plan = read.data as unknown as SavedPlan;
  plan.stages.forEach((made, i) => {
    const source = i === 0 ? plan.source : resultOf(plan.stages[i - 1]!);
    checkStage(made, source, `${path}, stage ${i + 1}`);
  });
  return plan;
}

type StageSource = Pick<PlanSource, 'family' | 'dims' | 'tensors'>;

const resultOf = ({ family, to, tensors }: GrowthPlan): StageSource => ({ family, dims: to, tensors });

/** Checks that a stage fits its source, and makes every weight of the model that its config describes. */
function checkStage(plan: GrowthPlan, source: StageSource, path: string): void {
  const bad = (why: string): never => refuse('growth/bad-plan', { path, why });
  const family = families.get(plan.family) ?? bad(`no family is called "${plan.family}"`);
  if (Object.keys(source.dims).some((axis) => plan.from[axis] !== source.dims[axis]))
    bad(`it starts from sizes ${toText(plan.from)}, but its source has ${toText(source.dims)}`);
  const dims = dimsOf(family, plan.config, path);
  if (!isEqual(plan.to, dims)) bad(`it makes sizes ${toText(plan.to)}, but its config says ${toText(dims)}`);
  checkShapes(plan, family, dims, bad);
  for (const { name, layout } of plan.tensors)
    if (!isLayout(layout)) bad(`${name} has the invalid layout "${layout}"`);
  checkOrigins(plan, family, source, bad);
  for (const [axis, one] of Object.entries(plan.maps)) {
    if (one.from !== plan.from[axis] || one.to !== plan.to[axis])
      bad(`the map of ${axis} goes from ${one.from} to ${one.to}`);
    checkMap(axis, one, bad);
  }
}

type Bad = (why: string) => never;

function checkShapes(plan: GrowthPlan, family: ModelFamily, dims: Dims, bad: Bad): void {
  const made = new Map(plan.tensors.map((t) => [t.name, t.to]));
  const wanted = parametersOf(family, dims, settingsOf(family, plan.config));
  for (const { name, shape } of wanted) {
    const to = made.get(name);
    if (!isEqual(to, shape))
      bad(`${name} should become [${shape.join(', ')}], but the plan says ${toText(to ?? null)}`);
  }
  if (plan.tensors.length !== wanted.length)
    bad(`it makes ${plan.tensors.length} weights, but the model has ${wanted.length}`);
}

function checkOrigins(plan: GrowthPlan, family: ModelFamily, source: StageSource, bad: Bad): void {
  const known = new Set(source.tensors.map((t) => t.name));
  const exists = (name: string): boolean =>
    name === family.head.tiedTo || known.has(name) || known.has(family.namePrefix + name);
  for (const { name, source: first, second } of plan.tensors)
    for (const origin of [first, second])
      if (origin !== undefined && !exists(origin))
        bad(`${name} is made from ${origin}, which the source does not have`);
}

function checkMap(axis: string, { from, to, pieces, counts }: AxisMap, bad: Bad): void {
  if (counts && counts.length !== from)
    bad(`the map of ${axis} counts the copies of ${counts.length} entries of ${from}`);
  let end = 0;
  for (const { at, from: origin, length } of pieces) {
    if (at < end || at + length > to || origin + length > from)
      bad(`the map of ${axis} has pieces that overlap or run past an end`);
    end = at + length;
  }
}

function isLayout(text: string): boolean {
  try {
    parseLayout(text);
    return true;
  } catch {
    return false;
  }
}
