/**
 * @file The maximal update parametrisation µP (Yang et al. 2022, Tensor Programs V; the package `mup`), relative to a
 * base width: initial values and AdamW's learning rates that let the best rate stay where it is as the width grows.
 */
import { refuse } from '../base/errors.ts';
import type { ModelFamily } from '../model/family.ts';
import { initialValueOf, type InitialValue } from '../model/initial-values.ts';
import { parametersOf, type Parameter } from '../model/parameters.ts';
import type { Settings } from '../model/settings.ts';
import { axes, type Axis, type Dims } from '../tensor/layout.ts';
import type { Factors, OptimizerId } from './optimizers/index.ts';

/** A model, and the sizes of the base at which its rates were tuned. */
export interface MupModel {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly base: Dims;
}

/**
 * What µP takes a weight for: `hidden` maps a width to a width, `output` a width to a number of classes, `input` is
 * an embedding, `vector` a norm or a bias.
 */
export type MupClass = 'input' | 'hidden' | 'output' | 'vector';

/** The µP of one weight. All numbers are 1 at the base width. */
export interface MupWeight {
  readonly class: MupClass;
  /** The fan-in, relative to the base; 1 for a weight without one. */
  readonly fanIn: number;
  /** A forward multiplier that the weight itself carries: its values and its rate are multiplied by it. */
  readonly multiplier: number;
  /** Multiplies the standard deviation of its initial values, or a norm's initial gain. */
  readonly initScale: number;
  /** Multiplies AdamW's learning rate. Weight decay stays lr · wd. */
  readonly lrScale: number;
}

/** How a model has one of µP's forward multipliers. */
export interface MupMultiplier {
  readonly what: 'input' | 'output' | 'attention';
  readonly value: number;
  /**
   * `none`: it is 1. `embedding`, `head`, `norm`, `queries and keys`: these weights carry it exactly, so the checkpoint
   * stays one of its family. `missing`: nothing can, and this part of µP is not kept.
   */
  readonly carriedBy: 'none' | 'embedding' | 'head' | 'norm' | 'queries and keys' | 'missing';
}

/** Axes that are not widths: the data or the architecture determines their sizes. */
const fixedAxes: ReadonlySet<Axis> = new Set([
  'vocab',
  'positions',
  'places',
  'qkv',
  'gate_up',
  'experts',
  'shared',
]);

const isOne = (value: number): boolean => Math.abs(value - 1) < 1e-12;

/** How much larger the product of the axes of one role is than at the base. */
function growthOf({ dims, base }: MupModel, { spec }: Parameter, role: 'in' | 'out'): number {
  const grown = spec.layout.axes.filter((axis) => axis.role === role && !fixedAxes.has(axis.axis));
  return grown.reduce((product, { axis }) => (product * dims[axis]!) / base[axis]!, 1);
}

function classOf({ spec }: Parameter): MupClass {
  if (spec.kind === 'lookup') return 'input';
  if (spec.kind !== 'linear') return 'vector';
  const isOutput = spec.layout.axes.every(({ axis, role }) => role !== 'out' || fixedAxes.has(axis));
  return isOutput ? 'output' : 'hidden';
}

/** The forward multipliers of a model, and what carries each. */
export function mupMultipliers(model: MupModel): readonly MupMultiplier[] {
  return [inputMultiplier(model), outputMultiplier(model), attentionMultiplier(model)];
}

/** The embedding scale of the base over that of the family at this width: µP scales embeddings alike at all widths. */
function inputMultiplier({ family, dims, base, settings }: MupModel): MupMultiplier {
  const scaleAt = (sizes: Dims): number => family.embedScale?.(sizes, settings) ?? 1;
  const value = scaleAt(base) / scaleAt(dims);
  return { what: 'input', value, carriedBy: isOne(value) ? 'none' : 'embedding' };
}

/** 1 / width before the head. A tied head shares its weight, so the norm before it carries the multiplier. */
function outputMultiplier(model: MupModel): MupMultiplier {
  const { family, dims, base, settings } = model;
  const { head, tensors } = family;
  const width = tensors[head.weight]!.layout.axes.find(({ role }) => role === 'in')!.axis;
  const value = base[width]! / dims[width]!;
  const hasNorm = head.norm !== undefined && `${head.norm}.weight` in tensors;
  const carrier = settings['tied'] !== true ? 'head' : hasNorm ? 'norm' : 'missing';
  const isNeeded = !isOne(value) || (carrier === 'norm' && !isOne(inputMultiplier(model).value));
  return { what: 'output', value, carriedBy: isNeeded ? carrier : 'none' };
}

/** 1 / d instead of 1 / √d, equal at the base. Queries and keys that are weights of their own carry its root each. */
function attentionMultiplier({ family, dims, base }: MupModel): MupMultiplier {
  const { over, between, scale } = family.scores;
  const value = ((scale(base) / scale(dims)) * base[over]!) / dims[over]!;
  const areSeparate = between.every((name) => !name.includes('/'));
  const carrier = areSeparate ? 'queries and keys' : 'missing';
  return { what: 'attention', value, carriedBy: isOne(value) ? 'none' : carrier };
}

/** What the weight carries of the forward multipliers. */
function multiplierOf(model: MupModel, key: string): number {
  const { head, scores } = model.family;
  const isIn = (part: string): boolean => key.startsWith(`${part}.`) || key.includes(`.${part}.`);
  const input = inputMultiplier(model).value;
  return mupMultipliers(model).reduce((product, { carriedBy, value }) => {
    if (carriedBy === 'embedding') return key === head.tiedTo ? product * value : product;
    if (carriedBy === 'head') return key === head.weight ? product * value : product;
    // A tied head has the multiplier of the embedding, which the norm takes back.
    if (carriedBy === 'norm') return key.startsWith(`${head.norm!}.`) ? (product * value) / input : product;
    if (carriedBy === 'queries and keys')
      return scores.between.some(isIn) ? product * Math.sqrt(value) : product;
    return product;
  }, 1);
}

/** The µP of a weight, in the form without forward multipliers. */
export function mupOf(model: MupModel, parameter: Parameter): MupWeight {
  const kind = classOf(parameter);
  const fanIn = growthOf(model, parameter, 'in');
  const multiplier = multiplierOf(model, parameter.key);
  const isHead = parameter.key === model.family.head.weight;
  // Other outputs, such as routers, have their multiplier in themselves as an untied head does.
  const output = kind === 'output' && !isHead ? 1 / fanIn : 1;
  const isHidden = kind === 'hidden';
  return {
    class: kind,
    fanIn,
    multiplier: multiplier * output,
    initScale: multiplier * output * (isHidden ? 1 / Math.sqrt(fanIn) : 1),
    lrScale: multiplier * output * (isHidden ? 1 / fanIn : 1),
  };
}

/** The random initial values of a weight by µP. */
export function mupInitialValue(model: MupModel, parameter: Parameter): InitialValue {
  const initial = initialValueOf(parameter, model);
  const { initScale } = mupOf(model, parameter);
  if ('std' in initial) return { std: initial.std * initScale };
  // A family may store gain - 1; a bias or shift starts at 0.
  const { offset } = parameter.spec;
  return { fill: (initial.fill + offset) * initScale - offset };
}

/**
 * The factors of all weights for the optimizer. `grown` are those of the growth: of them, the gradient factors stay,
 * because Adam's epsilon follows the size of gradients.
 */
export function mupFactors(
  model: MupModel,
  grown: ReadonlyMap<string, Factors> = new Map<string, Factors>(),
): ReadonlyMap<string, Factors> {
  const parameters = parametersOf(model.family, model.dims, model.settings);
  return new Map(
    parameters.map((parameter) => {
      const { gradScale = 1, from = parameter.shape } = grown.get(parameter.name) ?? {};
      return [parameter.name, { lrScale: mupOf(model, parameter).lrScale, gradScale, from }];
    }),
  );
}

/** The µP of a run; undefined if it uses none. Throws `run/bad-setting` for a bad base, and without AdamW. */
export function mupModelOf(
  { family, dims, settings }: Omit<MupModel, 'base'>,
  { mupBase, optimizer }: { readonly mupBase: string; readonly optimizer: OptimizerId },
): MupModel | undefined {
  const base = parseMupBase(mupBase, dims);
  if (base && optimizer !== 'adamw')
    refuse('run/bad-setting', {
      setting: 'the optimizer',
      why: 'must be adamw with µP, whose rates are AdamW’s',
    });
  return base && { family, dims, settings, base };
}

/** The widths of a model as the setting `mupBase` has them: `hidden=64 ffn=256 …`. */
export const formatMupBase = (dims: Dims): string =>
  Object.entries(dims)
    .filter(([axis]) => axis in axes && !fixedAxes.has(axis as Axis))
    .map(([axis, size]) => `${axis}=${size}`)
    .join(' ');

/** The base sizes that the setting `mupBase` gives; undefined for `off`. Throws `run/bad-setting`. */
export function parseMupBase(setting: string, dims: Dims): Dims | undefined {
  const text = setting.trim();
  if (text === 'off') return undefined;
  const fail = (why: string): never => refuse('run/bad-setting', { setting: 'the µP base', why });
  const entries = text.split(/[\s,]+/).map((word) => {
    const [, axis, size] = /^([a-z_]+)=(\d{1,9})$/.exec(word) ?? [];
    if (axis === undefined || Number(size) < 1)
      return fail(`must be off, or sizes such as "hidden=64 ffn=256": "${word}" is none`);
    const isWidth = axis in dims && axis in axes && !fixedAxes.has(axis as Axis);
    return isWidth ? ([axis, Number(size)] as const) : fail(`names ${axis}, which is no width of this model`);
  });
  return { ...dims, ...Object.fromEntries(entries) };
}
