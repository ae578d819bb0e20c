/** @file Targets to choose in place of sizes: twice the width, a published model, a memory, a number of parameters. */
import type { GrowthMethod } from '../../src-main/growth/method.ts';
import { findMethod, methods } from '../../src-main/growth/methods/index.ts';
import { resolveTargetSizes } from '../../src-main/growth/plan/target-sizes.ts';
import { planStages } from '../../src-main/growth/plan/stages.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import type { Device } from '../../src-main/contract/schema.ts';
import type { ModelFamily, Release } from '../../src-main/model/family.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { countParameters } from '../../src-main/model/parameters.ts';
import type { Axis, Dims } from '../../src-main/tensor/layout.ts';
import { sliderStopsOf, type StageSource } from './growth.svelte.ts';

/** Bytes per parameter of float32 weights, gradients and two moments. */
const trainingBytes = 16;
/** The share of a device's memory that these may take; activations need the rest. */
const memoryShare = 0.8;
const widthAxes: readonly Axis[] = ['hidden', 'ffn', 'kv_heads', 'group', 'heads', 'head_dim'];

const optionsOf = (method: GrowthMethod) =>
  Object.fromEntries(method.options.map((option) => [option.id, option.default]));
const requestOf = (method: GrowthMethod, to: Dims): GrowthRequest => ({
  method: method.id,
  to,
  options: optionsOf(method),
  seed: 0,
  dtype: 'keep',
});

/** Whether the method can grow this axis of the family. */
const canGrow = (method: GrowthMethod, family: ModelFamily, axis: string): boolean =>
  method.grows.includes(axis as Axis) &&
  (!(axis in family.frozen) || method.allowsFrozen?.(family, axis as Axis) === true);

/** `first`, then the methods that preserve the function, then the others. */
function byPreference(first: string, family: ModelFamily): readonly GrowthMethod[] {
  const preserves = (method: GrowthMethod): boolean =>
    method.promise(family, optionsOf(method)).kind === 'function-preserving';
  const rank = (method: GrowthMethod): number => (method.id === first ? 0 : preserves(method) ? 1 : 2);
  return [...methods.values()].sort((a, b) => rank(a) - rank(b));
}

/** The requests that grow `source` to the sizes of `to`, width before depth; undefined if no method can. */
export function findGrowth(
  source: StageSource,
  to: Dims,
  preferred: string,
): readonly GrowthRequest[] | undefined {
  const family = familyById(source.family);
  const changes = Object.entries(to).filter(([axis, size]) => size !== source.dims[axis]);
  const parts = [
    changes.filter(([axis]) => axis !== 'layers'),
    changes.filter(([axis]) => axis === 'layers'),
  ].filter((part) => part.length > 0);
  let found: readonly (readonly GrowthRequest[])[] = [[]];
  for (const part of parts)
    found = found.flatMap((before) =>
      byPreference(preferred, family)
        .filter((method) => part.every(([axis]) => canGrow(method, family, axis)))
        .map((method) => [...before, requestOf(method, Object.fromEntries(part))]),
    );
  return found.find((requests) => requests.length > 0 && isPossible(source, requests));
}

function isPossible(source: StageSource, requests: readonly GrowthRequest[]): boolean {
  try {
    planStages(source, requests);
    return true;
  } catch {
    return false;
  }
}

/** Twice the width: the hidden and the MLP size, or as much of the two as a method can grow. */
export const findWider = (source: StageSource, preferred: string): readonly GrowthRequest[] | undefined =>
  findDoubling(source, [['hidden', 'ffn'], ['ffn']], preferred);

/** Twice as many layers. */
export const findDeeper = (source: StageSource, preferred: string): readonly GrowthRequest[] | undefined =>
  findDoubling(source, [['layers']], preferred);

function findDoubling(
  source: StageSource,
  choices: readonly (readonly string[])[],
  preferred: string,
): readonly GrowthRequest[] | undefined {
  for (const axes of choices) {
    const to = Object.fromEntries(axes.map((axis) => [axis, 2 * source.dims[axis]!]));
    const found = findGrowth(source, to, preferred);
    if (found) return found;
  }
  return undefined;
}

/** The smallest published model of the family that is larger than `source` in some size and smaller in none. */
export function findNextRelease(source: StageSource): Release | undefined {
  const { releases = [] } = familyById(source.family);
  return releases.find(({ dims }) => {
    const sizes = Object.entries(dims);
    return (
      sizes.every(([axis, size]) => size >= (source.dims[axis] ?? size)) &&
      sizes.some(([axis, size]) => size > (source.dims[axis] ?? size))
    );
  });
}

/** Parameters that a device can train: float32 weights, gradients and two moments in most of its memory. */
export const parametersFor = ({ memory }: Pick<Device, 'memory'>): number =>
  Math.floor(((memory ?? 0) * memoryShare) / trainingBytes);

/** The device of `fits`: the first that is no emulation and has a known memory, GPUs first. */
export const targetDevice = (devices: readonly Device[]): Device | undefined =>
  (['cuda', 'webgpu', 'cpu'] as const)
    .map((id) =>
      devices.find((device) => device.id === id && device.available && !device.software && device.memory),
    )
    .find(Boolean);

/**
 * The largest growth by one method with at most `budget` parameters: of the width, else of the MLP, else of the
 * depth. Undefined if even the smallest growth has more.
 */
export function findWithin(
  source: StageSource,
  budget: number,
  preferred: string,
): readonly GrowthRequest[] | undefined {
  const family = familyById(source.family);
  const chosen = findMethod(preferred);
  const method = chosen.grows.some((axis) => axis === 'layers' || widthAxes.includes(axis))
    ? chosen
    : findMethod('hypercloning');
  const axis = (['hidden', 'ffn', 'layers'] as const).find((name) => canGrow(method, family, name));
  if (axis === undefined) return undefined;
  const options = optionsOf(method);
  const from = source.dims[axis]!;
  // Beyond the stops of a slider, only multiples are tried.
  const stops = sliderStopsOf(method, axis, from, options, family);
  const multiples = Array.from({ length: 56 }, (_, i) => (i + 9) * from);
  const sizes = [...stops, ...multiples].filter((size) => size > from).sort((a, b) => a - b);
  let best: GrowthRequest | undefined;
  for (const size of sizes) {
    const to = sizesFor(axis, size, source, method, family);
    try {
      const dims = resolveTargetSizes({ method, options, family }, source.dims, to);
      if (countParameters(family, dims, source.settings) > budget) break;
      best = requestOf(method, to);
    } catch {
      // This size is not possible; the next may be.
    }
  }
  return best && isPossible(source, [best]) ? [best] : undefined;
}

/** The hidden size takes the MLP with it. */
function sizesFor(
  axis: string,
  size: number,
  { dims }: StageSource,
  method: GrowthMethod,
  family: ModelFamily,
): Dims {
  if (axis !== 'hidden' || !canGrow(method, family, 'ffn')) return { [axis]: size };
  return { hidden: size, ffn: Math.round((dims['ffn']! * size) / dims['hidden']!) };
}
