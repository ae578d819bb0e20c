/** @file A walk through a family's table at one size: the names, kinds and shapes of all weights. */
import { countOf, hasAxis, shapeOf, type Dims } from '../tensor/layout.ts';
import type { ModelFamily, Settings, TensorSpec } from './family.ts';

export interface Parameter {
  /** Its name in a checkpoint, without prefix. */
  readonly name: string;
  /** Its line in the table, `{layer}` and `{expert}` unfilled. */
  readonly key: string;
  readonly layer?: number;
  /** Of a mixture: the expert it belongs to. */
  readonly expert?: number;
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
}

type Line = readonly [string, TensorSpec];

/** The name of a weight in one layer, of one expert. */
export const nameAt = (key: string, layer?: number, expert?: number): string => key.replace('{layer}', String(layer)).replace('{expert}', String(expert));

/** Lines of experts that follow one another go together, so that all weights of an expert stand side by side. */
function expertRuns(lines: readonly Line[]): readonly (readonly Line[])[] {
  const runs: Line[][] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last && last[0]![0].includes('{expert}') === line[0].includes('{expert}')) last.push(line);
    else runs.push([line]);
  }
  return runs;
}

/** All weights in the order of the table, layer by layer and expert by expert. A tied head is not a weight of its own. */
export function parametersOf(family: ModelFamily, dims: Dims, settings: Settings): readonly Parameter[] {
  const lines = Object.entries(family.tensors).filter(([key, spec]) =>
    !(settings['tied'] === true && key === family.head.weight) && (spec.when === undefined || settings[spec.when] === true));
  const first = lines.findIndex(([key]) => key.includes('{layer}'));
  const runs = expertRuns(lines.filter(([key]) => key.includes('{layer}')));
  const at = ([key, spec]: Line, layer?: number, expert?: number): Parameter =>
    ({ name: nameAt(key, layer, expert), key, spec, shape: shapeOf(spec.layout, dims), ...(layer === undefined ? {} : { layer }), ...(expert === undefined ? {} : { expert }) });
  const experts = (own: readonly Line[], layer: number): readonly Parameter[] => Array.from({ length: dims['experts']! }, (_, expert) => own.map((line) => at(line, layer, expert))).flat();
  return [
    ...lines.slice(0, first).map((line) => at(line)),
    ...Array.from({ length: dims['layers']! }, (_, layer) => runs.flatMap((run) => (run[0]![0].includes('{expert}') ? experts(run, layer) : run.map((line) => at(line, layer))))).flat(),
    ...lines.slice(first).filter(([key]) => !key.includes('{layer}')).map((line) => at(line)),
  ];
}

export const parameterCount = (family: ModelFamily, dims: Dims, settings: Settings): number =>
  parametersOf(family, dims, settings).reduce((sum, p) => sum + countOf(p.shape), 0);

/** Parameters that one token passes: all but those of the experts that its router leaves out. */
export function activeCount(family: ModelFamily, dims: Dims, settings: Settings): number {
  const share = family.mixture ? Number(settings['active']) / dims['experts']! : 1;
  return Math.round(parametersOf(family, dims, settings).reduce((sum, p) => sum + countOf(p.shape) * (p.expert === undefined ? 1 : share), 0));
}

/** Weights that decay: matrices and tables, never vectors (AdamW as practised since GPT-2). */
export const decays = (spec: TensorSpec): boolean => spec.kind === 'linear' || spec.kind === 'lookup';

/** Parts of a model that a person thinks in. */
export type ParameterGroup = 'embeddings' | 'attention' | 'mlp' | 'norms' | 'head';

/** The part a weight belongs to, told from its axes alone. */
export function groupOf(family: ModelFamily, key: string, spec: TensorSpec): ParameterGroup {
  if (key === family.head.weight) return 'head';
  if (spec.kind === 'lookup') return 'embeddings';
  if (spec.kind === 'gain' || spec.kind === 'shift') return 'norms';
  if (hasAxis(spec.layout, 'ffn')) return 'mlp';
  if (hasAxis(spec.layout, 'head_dim')) return 'attention';
  const owner = Object.entries(family.tensors).find(([other, s]) => other !== key && s.kind === 'linear' && other.replace(/\.[^.]+$/, '') === key.replace(/\.[^.]+$/, ''));
  return owner ? groupOf(family, owner[0], owner[1]) : 'mlp';
}

/** Parameters per group, and per token active; for cards and plans. */
export function groupCounts(family: ModelFamily, dims: Dims, settings: Settings): Readonly<Record<ParameterGroup, number>> {
  const out: Record<ParameterGroup, number> = { embeddings: 0, attention: 0, mlp: 0, norms: 0, head: 0 };
  for (const p of parametersOf(family, dims, settings)) out[groupOf(family, p.key, p.spec)] += countOf(p.shape);
  return out;
}
