/** @file Checks that a checkpoint is the one that a plan was made for. */
import { refuse } from '../../base/errors.ts';
import type { Json } from '../../base/json.ts';
import { isEqual, toText } from './compare-json.ts';
import type { PlanSource, SavedPlan } from './saved-plan.ts';

/** Keys of config.json that affect neither weights nor outputs. */
const ignoredKeys = new Set(['_name_or_path', 'transformers_version', 'architectures']);

/**
 * Refuses `growth/other-source` if the plan was made for another checkpoint than `found`, and names the first
 * difference. Compares the fingerprints of the weights if both are known.
 */
export function checkSource({ source: planned }: SavedPlan, found: PlanSource): void {
  const compare = (what: string, inPlan: Json | undefined, inSource: Json | undefined): void => {
    if (!isEqual(inPlan, inSource))
      refuse('growth/other-source', {
        source: found.name,
        what,
        plan: toText(inPlan),
        found: toText(inSource),
      });
  };
  compare('the family', planned.family, found.family);
  for (const axis of sortedKeys(planned.dims, found.dims))
    compare(axis, planned.dims[axis], found.dims[axis]);
  for (const key of sortedKeys(planned.config, found.config))
    if (!ignoredKeys.has(key)) compare(`${key} of config.json`, planned.config[key], found.config[key]);
  const plannedTypes = new Map(planned.tensors.map((t) => [t.name, t.dtype]));
  const foundTypes = new Map(found.tensors.map((t) => [t.name, t.dtype]));
  for (const name of new Set([...plannedTypes.keys(), ...foundTypes.keys()]))
    compare(`the type of ${name}`, plannedTypes.get(name), foundTypes.get(name));
  if (planned.fingerprint !== null && found.fingerprint !== null)
    compare('the fingerprint of the weights', planned.fingerprint, found.fingerprint);
}

const sortedKeys = (...objects: readonly object[]): readonly string[] =>
  [...new Set(objects.flatMap((o) => Object.keys(o)))].sort();
