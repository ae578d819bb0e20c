/** @file Translates plans of format version 1 to version 2, which renamed some fields of a weight's recipe. */

/** Version 1 name → version 2 name, of the fields of a `TensorRecipe`. */
const renamedFields = new Map([
  ['silent', 'zeroOutput'],
  ['deviation', 'std'],
  ['alike', 'equalRows'],
  ['fresh', 'newLayer'],
  ['rate', 'lrScale'],
  ['gradient', 'gradScale'],
]);

const isRecord = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null;

/**
 * A plan, or one stage of a plan, in format version 2. Anything that is not of version 1 is returned as it is.
 * Does not check the plan: see `readPlan`.
 */
export function upgradePlan(json: unknown): unknown {
  if (!isRecord(json) || json['version'] !== 1) return json;
  const { stages, tensors } = json;
  return {
    ...json,
    version: 2,
    ...(Array.isArray(stages) ? { stages: stages.map(upgradePlan) } : {}),
    ...(Array.isArray(tensors) ? { tensors: tensors.map(upgradeTensor) } : {}),
  };
}

function upgradeTensor(json: unknown): unknown {
  if (!isRecord(json)) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [renamedFields.get(name) ?? name, value]),
  );
}
