/**
 * @file Translates plans of older format versions. Version 2 renamed fields of a weight's recipe; version 3 has
 * three kinds of promises.
 */
import { upgradePromise } from '../../model/promise.ts';

/** Version 1 name → version 2 name, of the fields of a `TensorRecipe`. */
const renamedFields = new Map([
  ['silent', 'zeroOutput'],
  ['deviation', 'std'],
  ['alike', 'equalRows'],
  ['fresh', 'newLayer'],
  ['rate', 'lrScale'],
  ['gradient', 'gradScale'],
]);

type Json = Readonly<Record<string, unknown>>;

const isObject = (json: unknown): json is Json => typeof json === 'object' && json !== null;

/**
 * A plan, or one stage of a plan, in the current format version. Anything that is not of an older version is
 * returned as it is. Does not check the plan: see `readPlan`.
 */
export function upgradePlan(json: unknown): unknown {
  if (!isObject(json)) return json;
  if (json['version'] === 1) return upgradePlan(upgradeStages(json, 2, toVersion2));
  return json['version'] === 2 ? upgradeStages(json, 3, toVersion3) : json;
}

/** Upgrades a stage, or every stage of a plan. */
function upgradeStages(json: Json, version: number, upgradeStage: (stage: Json) => Json): Json {
  const { stages } = json;
  if (!Array.isArray(stages)) return { ...upgradeStage(json), version };
  const upgrade = (stage: unknown): unknown =>
    isObject(stage) ? { ...upgradeStage(stage), version } : stage;
  return { ...json, version, stages: stages.map(upgrade) };
}

function toVersion2(stage: Json): Json {
  const { tensors } = stage;
  return Array.isArray(tensors) ? { ...stage, tensors: tensors.map(renameFields) } : stage;
}

const renameFields = (tensor: unknown): unknown =>
  isObject(tensor)
    ? Object.fromEntries(
        Object.entries(tensor).map(([name, value]) => [renamedFields.get(name) ?? name, value]),
      )
    : tensor;

function toVersion3(stage: Json): Json {
  const { promise, request } = stage;
  if (!isObject(promise)) return stage;
  const methods = isObject(request) ? [request['method']] : [];
  return { ...stage, promise: { ...promise, kind: upgradePromise(promise['kind'], methods) } };
}
