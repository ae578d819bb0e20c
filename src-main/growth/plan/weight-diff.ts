/** @file The differences between the weights of two plans, with equal differences of several layers combined. */
import type { AxisMap } from '../../tensor/axis-map.ts';
import type { GrowthPlan, TensorRecipe } from '../recipe.ts';

interface WeightDifference {
  readonly what: string;
  readonly first: string | null;
  readonly second: string | null;
}

/** The compared aspects of a recipe, with their names in the output. */
const aspectNames = {
  shape: 'shape',
  source: 'made from',
  dtype: 'dtype',
  factors: 'factors',
  fills: 'new entries',
  random: 'random terms',
  zeroOutput: 'zero-initialised',
  lrScale: 'learning rate',
  map: 'entries come from',
} as const;
type Aspect = keyof typeof aspectNames;
type Aspects = Readonly<Record<Aspect, string>>;

export function diffWeights(a: GrowthPlan, b: GrowthPlan): readonly WeightDifference[] {
  const first = describeRecipes(a);
  const second = describeRecipes(b);
  const groups = new Map<string, WeightDifference & { readonly names: string[] }>();
  for (const name of new Set([...first.keys(), ...second.keys()])) {
    const pattern = name.replace(/(^|\.)\d+(?=\.)/g, '$1*');
    for (const [aspect, before, after] of compareAspects(first.get(name), second.get(name))) {
      const key = JSON.stringify([pattern, aspect, before, after]);
      const what = `${pattern}: ${aspectNames[aspect]}`;
      const group = groups.get(key) ?? { what, first: before, second: after, names: [] };
      group.names.push(name);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ what, names, ...sides }) => ({
    what: names.length > 1 ? `${what} (${names.length} weights)` : what.replace(/^[^:]+/, names[0]!),
    ...sides,
  }));
}

/** The aspects that differ. A weight that only one plan has differs in its shape. */
function compareAspects(
  first: Aspects | undefined,
  second: Aspects | undefined,
): readonly (readonly [aspect: Aspect, first: string | null, second: string | null])[] {
  const aspects = first && second ? (Object.keys(first) as Aspect[]) : ['shape' as const];
  return aspects.flatMap((aspect) => {
    const before = first?.[aspect] ?? null;
    const after = second?.[aspect] ?? null;
    // Weights of different shapes always have different maps.
    const isImplied = aspect === 'map' && first?.shape !== second?.shape;
    return before === after || isImplied ? [] : [[aspect, before, after] as const];
  });
}

function describeRecipes(plan: GrowthPlan): ReadonlyMap<string, Aspects> {
  const maps = Object.entries(plan.maps).map(([axis, map]) => [axis, describeMap(axis, map)] as const);
  return new Map(plan.tensors.map((recipe) => [recipe.name, describeRecipe(recipe, maps)]));
}

function describeRecipe(recipe: TensorRecipe, maps: readonly (readonly [string, string])[]): Aspects {
  const ownMaps = maps.filter(([axis]) => new RegExp(`\\b${axis}\\b`).test(recipe.layout));
  return {
    shape: `[${recipe.to.join(', ')}]`,
    source: describeSources(recipe),
    dtype: recipe.dtype,
    factors: describeFactors(recipe),
    fills: describeFills(recipe),
    random: describeRandomTerms(recipe),
    zeroOutput: recipe.zeroOutput ? 'yes' : 'no',
    lrScale: `× ${formatFactor(recipe.lrScale)}`,
    map: ownMaps.map(([, text]) => text).join('; '),
  };
}

/** Names of the sources; the layer is a star if it is the weight's own. */
function describeSources({ name, source, second }: TensorRecipe): string {
  const ownNumbers = name.split('.');
  const sources = second === undefined ? source : `${source} and ${second}`;
  return sources.replace(
    /(^|\.)(\d+)(?=\.)/g,
    (_, dot: string, n: string) => `${dot}${ownNumbers.includes(n) ? '*' : n}`,
  );
}

function describeFactors({ factors }: TensorRecipe): string {
  const texts = factors.map(({ by, part, shared }) => {
    const entry = part ? ` (${part.axis} ${part.entry + 1})` : '';
    const perEntry = shared === undefined ? '' : ` (per entry of ${shared})`;
    return `× ${formatFactor(by)}${entry}${perEntry}`;
  });
  return texts.join(' ') || 'none';
}

function describeFills({ fills, partFills = [] }: TensorRecipe): string {
  const texts = Object.entries(fills).map(([axis, fill]) => `${axis}: ${fill}`);
  const partTexts = partFills.map(
    ({ axis, part, fill }) => `${axis} in ${part.axis} ${part.entry + 1}: ${fill}`,
  );
  return [...texts, ...partTexts].join(', ') || 'none';
}

function describeRandomTerms({ noise, projection, perturbation, spread }: TensorRecipe): string {
  const terms: string[] = [];
  if (noise !== null) terms.push(`noise ${noise} dB`);
  if (projection !== null) terms.push(`projection ${projection}`);
  if (perturbation !== 0) terms.push(`perturbation ${perturbation}`);
  if (spread === 'diagonal') terms.push('diagonal');
  return terms.join(', ') || 'none';
}

const describeMap = (axis: string, map: AxisMap): string =>
  `${axis} ${map.from} → ${map.to} in ${map.pieces.length} pieces (${hash(JSON.stringify(map))})`;

const formatFactor = (n: number): string => String(Number(n.toPrecision(9)));

/** A short hash (32-bit FNV-1a) that tells two maps apart. */
function hash(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0).toString(16).padStart(8, '0');
}
