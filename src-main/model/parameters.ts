/** @file Lists and counts the weights of a model: the table of its family at the given sizes. */
import { countElements, hasAxis, storedShapeOf, type Dims } from '../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from './family.ts';
import type { Settings } from './settings.ts';

export interface Parameter {
  /** Its name in a checkpoint, without prefix. */
  readonly name: string;
  /** Its key in the family's table, where `{layer}` and `{expert}` are not filled in. */
  readonly key: string;
  readonly layer?: number;
  readonly expert?: number;
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
}

/** One key of the table at given sizes: `count` weights of the same shape. */
interface ParameterKey {
  readonly key: string;
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
  readonly count: number;
  readonly isLayered: boolean;
  readonly isExpert: boolean;
}

/** The keys that have weights: a tied head has none, and some depend on a setting. */
function keysOf(family: ModelFamily, dims: Dims, settings: Settings): readonly ParameterKey[] {
  const exists = ([key, spec]: readonly [string, TensorSpec]): boolean => {
    if (settings['tied'] === true && key === family.head.weight) return false;
    return spec.when === undefined || settings[spec.when] === true;
  };
  return Object.entries(family.tensors)
    .filter(exists)
    .map(([key, spec]) => {
      const isLayered = key.includes('{layer}');
      const isExpert = key.includes('{expert}');
      const count = (isLayered ? dims['layers']! : 1) * (isExpert ? dims['experts']! : 1);
      return { key, spec, shape: storedShapeOf(spec.layout, dims), count, isLayered, isExpert };
    });
}

/** The name of a weight in one layer, and of one expert. */
export const weightName = (key: string, layer?: number, expert?: number): string => {
  const name = layer === undefined ? key : key.replace('{layer}', String(layer));
  return expert === undefined ? name : name.replace('{expert}', String(expert));
};

/** Splits keys into runs of expert keys and runs of other keys, so that each expert's weights stay together. */
function splitByExpert(keys: readonly ParameterKey[]): readonly (readonly ParameterKey[])[] {
  const runs: ParameterKey[][] = [];
  for (const key of keys) {
    const last = runs.at(-1);
    if (last?.[0]!.isExpert === key.isExpert) last.push(key);
    else runs.push([key]);
  }
  return runs;
}

const parameterAt = ({ key, spec, shape }: ParameterKey, layer?: number, expert?: number): Parameter => ({
  name: weightName(key, layer, expert),
  key,
  spec,
  shape,
  ...(layer === undefined ? {} : { layer }),
  ...(expert === undefined ? {} : { expert }),
});

/** All weights in the order of the table, layer by layer and expert by expert. A tied head is left out. */
export function parametersOf(family: ModelFamily, dims: Dims, settings: Settings): readonly Parameter[] {
  const keys = keysOf(family, dims, settings);
  const firstLayered = keys.findIndex(({ isLayered }) => isLayered);
  const runs = splitByExpert(keys.filter(({ isLayered }) => isLayered));

  const runAt = (run: readonly ParameterKey[], layer: number): readonly Parameter[] => {
    if (!run[0]!.isExpert) return run.map((key) => parameterAt(key, layer));
    const experts = Array.from({ length: dims['experts']! }, (_, expert) => expert);
    return experts.flatMap((expert) => run.map((key) => parameterAt(key, layer, expert)));
  };
  const layers = Array.from({ length: dims['layers']! }, (_, layer) => layer);
  return [
    ...keys.slice(0, firstLayered).map((key) => parameterAt(key)),
    ...layers.flatMap((layer) => runs.flatMap((run) => runAt(run, layer))),
    ...keys
      .slice(firstLayered)
      .filter(({ isLayered }) => !isLayered)
      .map((key) => parameterAt(key)),
  ];
}

export const countParameters = (family: ModelFamily, dims: Dims, settings: Settings): number =>
  keysOf(family, dims, settings).reduce((sum, { count, shape }) => sum + count * countElements(shape), 0);

/** Parameters that are active for one token: of a mixture, only those of the experts that the token uses. */
export function countActiveParameters(family: ModelFamily, dims: Dims, settings: Settings): number {
  const activeShare = family.mixture ? Number(settings['expertsPerToken']) / dims['experts']! : 1;
  return keysOf(family, dims, settings).reduce((sum, { count, shape, isExpert }) => {
    const active = Math.round(count * (isExpert ? activeShare : 1));
    return sum + active * countElements(shape);
  }, 0);
}

/** Whether AdamW decays the weight: matrices and embeddings do, vectors do not (usual since GPT-2). */
export const hasWeightDecay = (spec: TensorSpec): boolean => spec.kind === 'linear' || spec.kind === 'lookup';

export type ParameterGroup = 'embeddings' | 'attention' | 'mlp' | 'norms' | 'head';

/** The group of a weight, derived from its axes. */
export function groupOf(family: ModelFamily, key: string, spec: TensorSpec): ParameterGroup {
  if (key === family.head.weight) return 'head';
  if (spec.kind === 'lookup') return 'embeddings';
  if (spec.kind === 'gain' || spec.kind === 'shift') return 'norms';
  if (hasAxis(spec.layout, 'ffn')) return 'mlp';
  if (hasAxis(spec.layout, 'head_dim')) return 'attention';
  // An output bias has only the hidden axis; its linear layer decides.
  const layerName = (name: string): string => name.replace(/\.[^.]+$/, '');
  const owner = Object.entries(family.tensors).find(
    ([other, { kind }]) => other !== key && kind === 'linear' && layerName(other) === layerName(key),
  );
  return owner ? groupOf(family, owner[0], owner[1]) : 'mlp';
}

/** Parameters per group. */
export function countByGroup(
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
): Readonly<Record<ParameterGroup, number>> {
  const out: Record<ParameterGroup, number> = { embeddings: 0, attention: 0, mlp: 0, norms: 0, head: 0 };
  for (const { key, spec, shape, count } of keysOf(family, dims, settings))
    out[groupOf(family, key, spec)] += count * countElements(shape);
  return out;
}
