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

/** A line of the table at one size: its weights have one shape, and there are `times` of them. */
interface ParameterLine {
  readonly key: string;
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
  readonly times: number;
  readonly ofExpert: boolean;
}

/** The lines that have weights. A tied head has none of its own. */
function linesOf(family: ModelFamily, dims: Dims, settings: Settings): readonly ParameterLine[] {
  return Object.entries(family.tensors)
    .filter(
      ([key, spec]) =>
        !(settings['tied'] === true && key === family.head.weight) &&
        (spec.when === undefined || settings[spec.when] === true),
    )
    .map(([key, spec]) => {
      const ofExpert = key.includes('{expert}');
      const times = (key.includes('{layer}') ? dims['layers']! : 1) * (ofExpert ? dims['experts']! : 1);
      return { key, spec, shape: shapeOf(spec.layout, dims), times, ofExpert };
    });
}

/** The name of a weight in one layer, of one expert. */
export const weightName = (key: string, layer?: number, expert?: number): string => {
  const name = layer === undefined ? key : key.replace('{layer}', String(layer));
  return expert === undefined ? name : name.replace('{expert}', String(expert));
};

/**
 * Lines of experts that follow one another go together, so that all weights of an expert stand side by side.
 */
function expertRuns(lines: readonly ParameterLine[]): readonly (readonly ParameterLine[])[] {
  const runs: ParameterLine[][] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last?.[0]!.ofExpert === line.ofExpert) last.push(line);
    else runs.push([line]);
  }
  return runs;
}

/**
 * All weights in the order of the table, layer by layer and expert by expert. A tied head is not a weight of
 * its own.
 */
export function parametersOf(family: ModelFamily, dims: Dims, settings: Settings): readonly Parameter[] {
  const lines = linesOf(family, dims, settings);
  const first = lines.findIndex(({ key }) => key.includes('{layer}'));
  const runs = expertRuns(lines.filter(({ key }) => key.includes('{layer}')));
  const at = ({ key, spec, shape }: ParameterLine, layer?: number, expert?: number): Parameter => ({
    name: weightName(key, layer, expert),
    key,
    spec,
    shape,
    ...(layer === undefined ? {} : { layer }),
    ...(expert === undefined ? {} : { expert }),
  });
  const experts = (run: readonly ParameterLine[], layer: number): readonly Parameter[] =>
    Array.from({ length: dims['experts']! }, (_, expert) =>
      run.map((line) => at(line, layer, expert)),
    ).flat();
  return [
    ...lines.slice(0, first).map((line) => at(line)),
    ...Array.from({ length: dims['layers']! }, (_, layer) =>
      runs.flatMap((run) => (run[0]!.ofExpert ? experts(run, layer) : run.map((line) => at(line, layer)))),
    ).flat(),
    ...lines
      .slice(first)
      .filter(({ key }) => !key.includes('{layer}'))
      .map((line) => at(line)),
  ];
}

export const countParameters = (family: ModelFamily, dims: Dims, settings: Settings): number =>
  linesOf(family, dims, settings).reduce((sum, line) => sum + line.times * countOf(line.shape), 0);

/** Parameters that one token passes: all but those of the experts that its router leaves out. */
export function countActiveParameters(family: ModelFamily, dims: Dims, settings: Settings): number {
  const share = family.mixture ? Number(settings['expertsPerToken']) / dims['experts']! : 1;
  return linesOf(family, dims, settings).reduce(
    (sum, line) => sum + Math.round(line.times * (line.ofExpert ? share : 1)) * countOf(line.shape),
    0,
  );
}

/** Weights that decay: matrices and tables, never vectors (AdamW as practised since GPT-2). */
export const hasWeightDecay = (spec: TensorSpec): boolean => spec.kind === 'linear' || spec.kind === 'lookup';

/** Parts of a model that a person thinks in. */
export type ParameterGroup = 'embeddings' | 'attention' | 'mlp' | 'norms' | 'head';

/** The part a weight belongs to, told from its axes alone. */
export function groupOf(family: ModelFamily, key: string, spec: TensorSpec): ParameterGroup {
  if (key === family.head.weight) return 'head';
  if (spec.kind === 'lookup') return 'embeddings';
  if (spec.kind === 'gain' || spec.kind === 'shift') return 'norms';
  if (hasAxis(spec.layout, 'ffn')) return 'mlp';
  if (hasAxis(spec.layout, 'head_dim')) return 'attention';
  const owner = Object.entries(family.tensors).find(
    ([other, s]) =>
      other !== key && s.kind === 'linear' && other.replace(/\.[^.]+$/, '') === key.replace(/\.[^.]+$/, ''),
  );
  return owner ? groupOf(family, owner[0], owner[1]) : 'mlp';
}

/** Parameters per group, and per token active; for cards and plans. */
export function countByGroup(
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
): Readonly<Record<ParameterGroup, number>> {
  const out: Record<ParameterGroup, number> = { embeddings: 0, attention: 0, mlp: 0, norms: 0, head: 0 };
  for (const { key, spec, shape, times } of linesOf(family, dims, settings))
    out[groupOf(family, key, spec)] += times * countOf(shape);
  return out;
}
