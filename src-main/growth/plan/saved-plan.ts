/**
 * @file A growth as a file: its stages whole and what they were made for, so that it can be kept, compared,
 * and carried out again to the same bytes.
 */
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import { weightDTypes, type WeightDType } from '../../tensor/dtype.ts';
import { layoutOf, type Dims } from '../../tensor/layout.ts';
import { dimsOf, settingsOf } from '../../model/config.ts';
import { families } from '../../model/families/index.ts';
import { parametersOf } from '../../model/parameters.ts';
import { planRecipe } from './chain.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';

/**
 * What a plan was made for: all that a planner reads of a checkpoint, and a print of its weights (null:
 * headers alone were seen).
 */
export interface SourceMark {
  readonly name: string;
  readonly family: string;
  readonly dims: Dims;
  readonly config: JsonObject;
  readonly tensors: readonly { readonly name: string; readonly dtype: WeightDType }[];
  readonly fingerprint: string | null;
}

/**
 * JSON from top to bottom: a plan file, the `plan` of growth.json, and what an engine carries out. The stages
 * alone decide the bytes.
 */
export interface SavedPlan {
  readonly format: 'cambium-plan';
  readonly version: 1;
  readonly source: SourceMark;
  readonly stages: readonly GrowthPlan[];
}

/** What is planned from, and where it came from. */
export type MarkedSource = GrowthSource & { readonly name: string };

export const markOf = (
  { name, family, dims, config, tensors }: MarkedSource,
  fingerprint: string | null,
): SourceMark => ({
  name,
  family,
  dims,
  config,
  tensors: tensors.map((t) => ({ name: t.name, dtype: t.dtype })),
  fingerprint,
});

/** Plans one growth or several in sequence. Refuses what `planRecipe` refuses. */
export const savedPlan = (
  source: MarkedSource,
  request: GrowthRequest | readonly GrowthRequest[],
  fingerprint: string | null,
): SavedPlan => ({
  format: 'cambium-plan',
  version: 1,
  source: markOf(source, fingerprint),
  stages: planRecipe(source, requestsIn(request)),
});

/** One stage or several, as several. */
export const requestsIn = (request: GrowthRequest | readonly GrowthRequest[]): readonly GrowthRequest[] =>
  'method' in request ? [request] : request;

/** The ids of the methods, in order: "hypercloning + identity". */
export const methodsIn = (stages: readonly GrowthPlan[]): string =>
  stages.map((plan) => plan.request.method).join(' + ');

/**
 * The stages of a growth record, oldest first: its own, or with `before` also those of the growths that its
 * source came from. Refuses `growth/bad-plan`.
 */
export function stagesOf(
  record: { readonly plan: unknown; readonly before?: readonly unknown[] } | null | undefined,
  { before = false } = {},
): readonly GrowthPlan[] {
  const plans = (record ? [...(before ? (record.before ?? []) : []), record.plan] : []) as readonly (
    SavedPlan | GrowthPlan
  )[];
  // a record of a Cambium that knew one stage holds that stage
  const stages = plans.flatMap((plan) => ('stages' in plan ? plan.stages : [plan]));
  // What a person may have cut or written: the rest is of this program's own making.
  if (
    !stages.every(
      (one: Partial<GrowthPlan> | null) =>
        Array.isArray(one?.tensors) && one.maps && one.from && one.to && one.request,
    )
  )
    refuse('growth/bad-plan', {
      path: 'growth.json',
      why: 'a stage of it has no weights, no sizes or no request',
    });
  return stages;
}

/**
 * What a growth record says that the model was grown from; undefined for a record of a Cambium that did not
 * keep it.
 */
export function sourceIn(
  record: { readonly plan: unknown } | null | undefined,
): Pick<GrowthSource, 'family' | 'dims' | 'settings' | 'tensors'> | undefined {
  const source = (record?.plan as Partial<SavedPlan> | undefined)?.source;
  const family = source && families.get(source.family);
  return (
    source &&
    family && {
      family: source.family,
      dims: source.dims,
      settings: settingsOf(family, source.config),
      tensors: source.tensors,
    }
  );
}

z.config({ jitless: true }); // as contract/schema.ts, whichever is loaded first
const size = z.number().int().positive();
const index = z.number().int().min(0);
const number = z.number();
const word = z.string().max(1000);
const sizes = z.record(word, size);
const part = z.looseObject({ axis: word, entry: index });
const fill = z.enum(['zero', 'one', 'draw', 'mean']);
const piece = z.object({ at: index, from: index, length: size, copy: index });
const tensor = z.looseObject({
  name: word,
  source: word,
  second: word.optional(),
  kind: word,
  layout: word,
  from: z.array(size),
  to: z.array(size),
  dtype: z.enum(weightDTypes),
  factors: z.array(z.looseObject({ why: word, by: number, part: part.optional(), shared: word.optional() })),
  fills: z.record(word, fill),
  partFills: z.array(z.looseObject({ axis: word, part, fill })).optional(),
  deviation: number,
  spread: z.enum(['symmetric', 'diagonal']),
  noise: number.nullable(),
  projection: number.nullable(),
  perturbation: number,
  silent: z.boolean(),
  fresh: z.literal(true).optional(),
  slice: z.looseObject({ axis: word, at: index, of: size }).optional(),
  alike: size.optional(),
  offset: number,
  rate: number.positive(),
  gradient: number,
});
const config = z.record(z.string(), z.custom<Json>());
const stage = z.looseObject({
  version: z.literal(1),
  family: word,
  from: sizes,
  to: sizes,
  config,
  request: z.looseObject({
    method: word,
    to: z.record(word, size),
    options: z.record(word, z.union([number, word, z.null()])),
    seed: index,
    dtype: z.enum(['keep', ...weightDTypes]),
  }),
  maps: z.record(
    word,
    z.looseObject({
      from: size,
      to: size,
      copies: index,
      pieces: z.array(piece),
      counts: z.array(index).optional(),
    }),
  ),
  layers: z.array(z.object({ source: index, identity: z.boolean() })),
  tensors: z.array(tensor).min(1),
  promise: z.object({ kind: z.enum(['exact', 'approximate']), why: z.array(z.string()) }),
  dead: z.array(z.looseObject({ axis: word, why: z.string() })),
  notes: z.array(z.string()),
  parameters: z.object({
    before: index,
    after: index,
    active: z.object({ before: index, after: index }).optional(),
  }),
});
const file = z.looseObject({
  format: z.literal('cambium-plan'),
  version: z.literal(1),
  stages: z.array(stage).min(1).max(64),
  source: z.looseObject({
    name: z.string(),
    family: word,
    dims: sizes,
    config,
    tensors: z.array(z.looseObject({ name: word, dtype: z.enum(weightDTypes) })),
    fingerprint: word.nullable(),
  }),
});

/**
 * A plan read from anywhere, sound in itself. `path` is where it was, for the words. Refuses
 * `growth/bad-plan`.
 */
export function readPlan(json: unknown, path: string): SavedPlan {
  const version = (json as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > 1)
    refuse('growth/bad-plan', { path, why: `it is of version ${version}, and this Cambium knows version 1` });
  const read = file.safeParse(json);
  const issue = read.error?.issues[0];
  if (!read.success)
    return refuse('growth/bad-plan', {
      path,
      why: `${issue!.path.map(String).join('.') || 'it'}: ${issue!.message}`,
    });
  const plan = read.data as unknown as SavedPlan;
  plan.stages.forEach((made, i) => {
    checkStage(made, i === 0 ? plan.source : grownBy(plan.stages[i - 1]!), `${path}, stage ${i + 1}`);
  });
  return plan;
}

const grownBy = ({ family, to, tensors }: GrowthPlan): Pick<SourceMark, 'family' | 'dims' | 'tensors'> => ({
  family,
  dims: to,
  tensors,
});

/** That a stage fits what it starts from, and makes all of a model that its config describes. */
function checkStage(
  plan: GrowthPlan,
  source: Pick<SourceMark, 'family' | 'dims' | 'tensors'>,
  path: string,
): void {
  const bad = (why: string): never => refuse('growth/bad-plan', { path, why });
  const family = families.get(plan.family) ?? bad(`no family is called "${plan.family}"`);
  if (Object.keys(source.dims).some((axis) => plan.from[axis] !== source.dims[axis]))
    bad(`it starts from sizes ${text(plan.from)}, but what comes before has ${text(source.dims)}`);
  const dims = dimsOf(family, plan.config, path);
  const there = new Set(source.tensors.map((t) => t.name));
  const made = new Map(plan.tensors.map((t) => [t.name, t]));
  if (!isEqual(plan.to, dims)) bad(`it makes sizes ${text(plan.to)}, but its config says ${text(dims)}`);
  const wanted = parametersOf(family, dims, settingsOf(family, plan.config));
  for (const { name, shape } of wanted)
    if (!isEqual(made.get(name)?.to, shape))
      bad(
        `${name} should become [${shape.join(', ')}], but the plan says ${text(made.get(name)?.to ?? null)}`,
      );
  if (plan.tensors.length !== wanted.length)
    bad(`it makes ${plan.tensors.length} weights where the model has ${wanted.length}`);
  for (const { name, layout } of plan.tensors)
    if (!isLayout(layout)) bad(`${name} has the layout "${layout}", which is none`);
  const tied = family.head.tiedTo;
  for (const { name, source: from, second } of plan.tensors)
    for (const read of [from, second])
      if (read !== undefined && read !== tied && !there.has(read) && !aliased(family.aliases, there, read))
        bad(`${name} is made from ${read}, which is not there`);
  for (const [axis, map] of Object.entries(plan.maps)) {
    if (map.from !== plan.from[axis] || map.to !== plan.to[axis])
      bad(`the map of ${axis} goes from ${map.from} to ${map.to}`);
    if (map.counts && map.counts.length !== map.from)
      bad(`the map of ${axis} counts the copies of ${map.counts.length} entries of ${map.from}`);
    let end = 0;
    for (const p of map.pieces) {
      if (p.at < end || p.at + p.length > map.to || p.from + p.length > map.from)
        bad(`the map of ${axis} reaches beyond its ends`);
      end = p.at + p.length;
    }
  }
}

const isLayout = (text: string): boolean => {
  try {
    layoutOf(text);
    return true;
  } catch {
    return false;
  }
};
const aliased = (aliases: readonly string[], names: ReadonlySet<string>, name: string): boolean =>
  aliases.some((prefix) => names.has(prefix + name));

/** Keys of config.json that no weight and no function depends on. */
const idle = new Set(['_name_or_path', 'transformers_version', 'architectures']);

/**
 * Refuses `growth/other-source` where a plan was made for another checkpoint than `found`, with the first
 * thing that differs. Prints of weights are compared where both are known.
 */
export function checkSource({ source: planned }: SavedPlan, found: SourceMark): void {
  const differs = (what: string, plan: Json | undefined, here: Json | undefined): void => {
    if (!isEqual(plan, here))
      refuse('growth/other-source', { source: found.name, what, plan: text(plan), found: text(here) });
  };
  differs('the family', planned.family, found.family);
  for (const axis of keysOf(planned.dims, found.dims)) differs(axis, planned.dims[axis], found.dims[axis]);
  for (const key of keysOf(planned.config, found.config))
    if (!idle.has(key)) differs(`${key} of config.json`, planned.config[key], found.config[key]);
  const here = new Map(found.tensors.map((t) => [t.name, t.dtype]));
  const there = new Map(planned.tensors.map((t) => [t.name, t.dtype]));
  for (const name of new Set([...there.keys(), ...here.keys()]))
    differs(`the type of ${name}`, there.get(name), here.get(name));
  if (planned.fingerprint !== null && found.fingerprint !== null)
    differs('the fingerprint of the weights', planned.fingerprint, found.fingerprint);
}

const keysOf = (...objects: readonly object[]): readonly string[] =>
  [...new Set(objects.flatMap((o) => Object.keys(o)))].sort();
export const text = (value: unknown): string =>
  value === undefined ? 'absent' : typeof value === 'string' ? value : JSON.stringify(value);

/** Equality of JSON, whatever the order of keys. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null ||
    Array.isArray(a) !== Array.isArray(b)
  )
    return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) => key in b && isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}
