/**
 * @file Two plans side by side: what is not the same, in words a person can read, weights of equal form in
 * one line.
 */
import type { GrowthPlan, TensorRecipe } from '../recipe.ts';
import { isEqual } from './compare-json.ts';
import { type SavedPlan } from './saved-plan.ts';

/** One thing that differs; null where a plan does not have it. */
export interface Difference {
  readonly where: string;
  readonly what: string;
  readonly first: string | null;
  readonly second: string | null;
}

/**
 * Everything in which two plans differ, from what was asked to what it does to each weight; empty for plans
 * that make the same bytes of the same source.
 */
export function diffPlans(a: SavedPlan, b: SavedPlan): readonly Difference[] {
  const found: Difference[] = [];
  const compare = (where: string, what: string, first: unknown, second: unknown): void => {
    if (!isEqual(first, second)) found.push({ where, what, first: shown(first), second: shown(second) });
  };
  const each = (
    where: string,
    first: object | undefined,
    second: object | undefined,
    named: (key: string) => string = (key) => key,
  ): void => {
    for (const key of new Set([...Object.keys(first ?? {}), ...Object.keys(second ?? {})]))
      compare(
        where,
        named(key),
        (first as Record<string, unknown> | undefined)?.[key],
        (second as Record<string, unknown> | undefined)?.[key],
      );
  };
  compare('Source', 'name', a.source.name, b.source.name);
  compare('Source', 'family', a.source.family, b.source.family);
  each('Source', a.source.dims, b.source.dims);
  each('Source', a.source.config, b.source.config, (key) => `config ${key}`);
  compare(
    'Source',
    'fingerprint of the weights',
    a.source.fingerprint ?? undefined,
    b.source.fingerprint ?? undefined,
  );
  for (let i = 0; i < Math.max(a.stages.length, b.stages.length); i++) {
    const [first, second] = [a.stages[i], b.stages[i]];
    const where = `Stage ${i + 1}`;
    compare(where, 'method', first?.request.method, second?.request.method);
    if (!first || !second) continue;
    each(where, first.request.options, second.request.options, (key) => `option ${key}`);
    compare(where, 'seed', first.request.seed, second.request.seed);
    compare(where, 'element type', first.request.dtype, second.request.dtype);
    each(where, first.to, second.to, (key) => `${key} after`);
    each(where, first.config, second.config, (key) => `config ${key}`);
    compare(where, 'parameters', first.parameters.after, second.parameters.after);
    compare(where, 'promise', first.promise.kind, second.promise.kind);
    compare(where, 'layers come from', layersOf(first), layersOf(second));
    found.push(...weightsApart(where, first, second));
  }
  return found;
}

const shown = (value: unknown): string | null =>
  value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value);
const layersOf = ({ layers }: GrowthPlan): string =>
  layers.map(({ source, identity }) => `${source + 1}${identity ? ' (silent)' : ''}`).join(', ');

/** Differences of single weights; those that hold for several layers are told once. */
function weightsApart(where: string, a: GrowthPlan, b: GrowthPlan): readonly Difference[] {
  const [first, second] = [aspectsByName(a), aspectsByName(b)];
  const groups = new Map<
    string,
    { what: string; first: string | null; second: string | null; names: string[] }
  >();
  for (const name of new Set([...first.keys(), ...second.keys()])) {
    const [x, y] = [first.get(name), second.get(name)];
    const form = name.replace(/(^|\.)\d+(?=\.)/g, '$1*');
    for (const aspect of x && y ? (Object.keys(x) as (keyof Aspects)[]) : ['shape' as const]) {
      const [was, is] = [x?.[aspect] ?? null, y?.[aspect] ?? null];
      const key = JSON.stringify([form, aspect, was, is]);
      // another shape has another map
      if (was === is || (aspect === 'map' && x?.shape !== y?.shape)) continue;
      const group = groups.get(key) ?? {
        what: `${form}: ${words[aspect]}`,
        first: was,
        second: is,
        names: [],
      };
      group.names.push(name);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ what, names, ...sides }) => ({
    where,
    what: names.length > 1 ? `${what} (${names.length} weights)` : what.replace(/^[^:]+/, names[0]!),
    ...sides,
  }));
}

const words = {
  shape: 'shape',
  source: 'made from',
  dtype: 'element type',
  factors: 'factors',
  fills: 'new entries',
  random: 'random part',
  silent: 'starts silent',
  rate: 'learning rate',
  map: 'entries come from',
} as const;
type Aspects = Readonly<Record<keyof typeof words, string>>;

function aspectsByName(plan: GrowthPlan): ReadonlyMap<string, Aspects> {
  const maps = new Map(
    Object.entries(plan.maps).map(([axis, map]) => [
      axis,
      `${axis} ${map.from} → ${map.to} in ${map.pieces.length} pieces (${print(JSON.stringify(map))})`,
    ]),
  );
  return new Map(
    plan.tensors.map((t) => [
      t.name,
      {
        shape: `[${t.to.join(', ')}]`,
        source: [t.source, ...(t.second === undefined ? [] : [t.second])]
          .join(' and ')
          .replace(/(^|\.)(\d+)(?=\.)/g, (_, dot: string, n: string) => `${dot}${sameLayer(t, n) ? '*' : n}`),
        dtype: t.dtype,
        factors:
          t.factors
            .map(
              (f) =>
                `× ${short(f.by)}${f.part ? ` (${f.part.axis} ${f.part.entry + 1})` : ''}${f.shared === undefined ? '' : ` (per entry of ${f.shared})`}`,
            )
            .join(' ') || 'none',
        fills:
          [
            ...Object.entries(t.fills).map(([axis, fill]) => `${axis}: ${fill}`),
            ...(t.partFills ?? []).map((f) => `${f.axis} in ${f.part.axis} ${f.part.entry + 1}: ${f.fill}`),
          ].join(', ') || 'none',
        random: randomOf(t),
        silent: t.zeroOutput ? 'yes' : 'no',
        rate: `× ${short(t.lrScale)}`,
        map: mapsOf(t, maps),
      },
    ]),
  );
}

const sameLayer = (t: TensorRecipe, n: string): boolean => t.name.split('.').includes(n);
const randomOf = (t: TensorRecipe): string =>
  [
    ...(t.noise === null ? [] : [`noise ${t.noise} dB`]),
    ...(t.projection === null ? [] : [`projection ${t.projection}`]),
    ...(t.perturbation === 0 ? [] : [`perturbation ${t.perturbation}`]),
    ...(t.spread === 'diagonal' ? ['diagonal'] : []),
  ].join(', ') || 'none';
const mapsOf = ({ layout }: TensorRecipe, maps: ReadonlyMap<string, string>): string =>
  [...maps]
    .filter(([axis]) => new RegExp(`\\b${axis}\\b`).test(layout))
    .map(([, map]) => map)
    .join('; ');

const short = (n: number): string => String(Number(n.toPrecision(9)));

/** A short print of a text, to tell two apart. */
function print(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0).toString(16).padStart(8, '0');
}
