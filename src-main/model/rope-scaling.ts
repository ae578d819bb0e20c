/**
 * @file The parameters of scaled rotary positions in config.json, as the functions of modeling_rope_utils.py in
 * transformers read them.
 */
import { refuse } from '../base/errors.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { RopeSpec } from './rope-spec.ts';

/** The parameters of every type; those of other types have values without an effect. */
export interface RopeScaling {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalPositions: number;
  /** Multiplies cosines and sines. */
  readonly attentionFactor: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  readonly truncate: boolean;
  readonly shortFactor: readonly number[];
  readonly longFactor: readonly number[];
  readonly alpha: number;
  /** Of `llama_4_scaling_beta`; 0 for none. */
  readonly queryBeta: number;
}

export const badConfig = (key: string, why: string): never =>
  refuse('checkpoint/bad-config', { path: 'config.json', key, why });

/** A positive number under `key`. */
export function positiveNumber(key: string, value: Json | undefined): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  return badConfig(
    key,
    value === undefined ? 'is missing' : `is ${JSON.stringify(value)}, not a number above zero`,
  );
}

/** Where the parameters of one config.json are. */
interface Source {
  readonly config: JsonObject;
  readonly rope: JsonObject;
  readonly spec: RopeSpec;
}

const plain: RopeScaling = {
  factor: 1,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalPositions: 8192,
  attentionFactor: 1,
  betaFast: 32,
  betaSlow: 1,
  truncate: true,
  shortFactor: [],
  longFactor: [],
  alpha: 1,
  queryBeta: 0,
};

/** The parameters of a resolved type. Refuses missing ones, and numbers that transformers refuses. */
export function readScaling(type: string, config: JsonObject, rope: JsonObject, spec: RopeSpec): RopeScaling {
  const source = { config, rope, spec };
  return {
    ...plain,
    ...readers[type]?.(source),
    ...(spec.hasQueryScale ? readQueryScale(type, source) : {}),
  };
}

/** The class has no default of its own for either number. */
function readQueryScale(type: string, source: Source): Pick<RopeScaling, 'queryBeta' | 'originalPositions'> {
  const { rope } = source;
  const key = 'original_max_position_embeddings';
  const isFilledIn = ['yarn', 'longrope', 'llama3'].includes(type);
  return {
    queryBeta: positiveNumber('llama_4_scaling_beta', rope['llama_4_scaling_beta']),
    originalPositions: isFilledIn ? readOriginalPositions(source) : positiveNumber(key, rope[key]),
  };
}

const readers: Readonly<Record<string, (source: Source) => Partial<RopeScaling>>> = {
  linear: readFactor,
  dynamic: readFactor,
  'ntk-alpha': ({ rope }) => ({ alpha: positiveNumber('alpha', rope['alpha']) }),
  yarn: readYarn,
  longrope: readLongrope,
  llama3: readLlama3,
};

function readFactor({ rope }: Source): Pick<RopeScaling, 'factor'> {
  return { factor: positiveNumber('factor', rope['factor']) };
}

const maxPositions = ({ config, spec }: Source): number =>
  positiveNumber('max_position_embeddings', config['max_position_embeddings'] ?? spec.positions);

/** A value at the top level replaces the one in the object, unless there is an object for each layer type. */
function readOriginalPositions(source: Source): number {
  const { config, rope, spec } = source;
  const key = 'original_max_position_embeddings';
  const isField = spec.sliding === undefined && (key in config || spec.originalPositions !== undefined);
  if (isField) return positiveNumber(key, config[key] ?? spec.originalPositions);
  return positiveNumber(key, key in rope ? rope[key] : maxPositions(source));
}

function readLlama3(source: Source): Partial<RopeScaling> {
  const { rope } = source;
  return {
    ...readFactor(source),
    lowFreqFactor: positiveNumber('low_freq_factor', rope['low_freq_factor']),
    highFreqFactor: positiveNumber('high_freq_factor', rope['high_freq_factor']),
    originalPositions: readOriginalPositions(source),
  };
}

/** The ratio of the two lengths if config.json has null. */
function factorOrRatio(source: Source, isOptional: boolean): number {
  const { factor } = source.rope;
  const isRatio = factor === null || (factor === undefined && isOptional);
  return isRatio ? maxPositions(source) / readOriginalPositions(source) : positiveNumber('factor', factor);
}

/** The factor of attention at a context that is `scale` times as long. */
const mscale = (scale: number, by = 1): number => (scale <= 1 ? 1 : 0.1 * by * Math.log(scale) + 1);

function readYarn(source: Source): Partial<RopeScaling> {
  const { rope, spec } = source;
  const factor = factorOrRatio(source, false);
  const { mscale: one, mscale_all_dim: all, attention_factor: given } = rope;
  const hasBoth = typeof one === 'number' && one !== 0 && typeof all === 'number' && all !== 0;
  const computed = hasBoth ? mscale(factor, one) / mscale(factor, all) : mscale(factor);
  return {
    factor,
    originalPositions: readOriginalPositions(source),
    attentionFactor: (given ?? null) === null ? computed : positiveNumber('attention_factor', given),
    betaFast: positiveNumber('beta_fast', rope['beta_fast'] || plain.betaFast),
    betaSlow: positiveNumber('beta_slow', rope['beta_slow'] || plain.betaSlow),
    // Where there is an object for each layer type, the class looks for the key beside them.
    truncate: spec.sliding !== undefined || rope['truncate'] !== false,
  };
}

/** One factor for each rotated pair. */
function factorList(rope: JsonObject, key: string): readonly number[] {
  const list = rope[key];
  if (!Array.isArray(list)) return badConfig(key, 'is not a list of numbers');
  return list.map((value) => positiveNumber(key, value as Json));
}

function readLongrope(source: Source): Partial<RopeScaling> {
  const { rope } = source;
  const original = readOriginalPositions(source);
  const factor = factorOrRatio(source, true);
  const given = rope['attention_factor'] ?? null;
  const computed = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    factor,
    originalPositions: original,
    attentionFactor: given === null ? computed : positiveNumber('attention_factor', given),
    shortFactor: factorList(rope, 'short_factor'),
    longFactor: factorList(rope, 'long_factor'),
  };
}
