/**
 * @file What config.json says about rotary position embedding. Two objects may hold it, `rope_scaling`
 * (transformers 4) and `rope_parameters` (transformers 5), and some values may be at the top level. They are
 * resolved as transformers 5.24 does it, for every family by `readRope`.
 */
import { refuse } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { ModelFamily, SettingField } from './family.ts';
import { fullAttention, slidingAttention } from './layer-type-names.ts';
import { badConfig, positiveNumber, readScaling, type RopeScaling } from './rope-scaling.ts';
import type { RopeSpec } from './rope-spec.ts';
import type { SettingValue } from './settings.ts';
import { without } from './tensor-specs.ts';

/** The resolved parameters. */
export interface Rope extends RopeScaling {
  readonly type: string;
  readonly theta: number;
  /** The rotated share of a head. */
  readonly partialRotaryFactor: number;
}

const ropeKeys = ['rope_scaling', 'rope_parameters'];
const defaultType = 'default';
const implementedTypes: readonly string[] = [defaultType, 'linear', 'dynamic', 'yarn', 'longrope', 'llama3'];

/** One of the two objects; undefined if it is absent or null. */
function ropeObject(config: JsonObject, key: string): JsonObject | undefined {
  const value = config[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  return badConfig(key, `is ${JSON.stringify(value)}, which is not an object`);
}

const isEmpty = (object: JsonObject): boolean => Object.keys(object).length === 0;

/** The layer types that are keys of `rope_parameters`. */
const layerTypesIn = (rope: JsonObject): readonly string[] =>
  [fullAttention, slidingAttention].filter((type) => type in rope);

/**
 * The object that transformers uses: `rope_scaling` unless it is absent, null or empty, otherwise
 * `rope_parameters`. They are never merged.
 */
const flatRope = (config: JsonObject, { defaults = {} }: RopeSpec): JsonObject => {
  const scaling = ropeObject(config, 'rope_scaling');
  const parameters = ropeObject(config, 'rope_parameters');
  return scaling && !isEmpty(scaling) ? scaling : (parameters ?? defaults);
};

/**
 * Of a class with parameters for each layer type: the object of one type. `rope_scaling` adds to that of full
 * attention. Without `rope_parameters` that has the type "default", which a `type` in `rope_scaling` does not
 * replace, but a `rope_type` does.
 */
function layerRope(config: JsonObject, layerType: string): JsonObject {
  const scaling = ropeObject(config, 'rope_scaling');
  const parameters = ropeObject(config, 'rope_parameters');
  const own = parameters ? ropeObject(parameters, layerType) : { rope_type: defaultType };
  if (scaling === undefined || layerType !== fullAttention) return own ?? {};
  if (own === undefined)
    badConfig('rope_scaling', `adds to rope_parameters.${fullAttention}, which is missing`);
  return { ...own, ...scaling };
}

/**
 * The rotary parameters of a config.json, for the layers of `layerType` where a family has several. Follows
 * `RotaryEmbeddingConfigMixin.convert_rope_params_to_dict` and `standardize_rope_params` in
 * modeling_rope_utils.py of transformers 5.24, and the classes that override the former: `GPTNeoXConfig`,
 * `Phi3Config` and `Gemma3TextConfig`. Refuses `checkpoint/bad-config` where transformers raises an error, and
 * `checkpoint/unsupported` for types that the forward pass lacks. tests/model/rope-config.test.ts compares it
 * with transformers.
 */
export function readRope(config: JsonObject, spec: RopeSpec, layerType = fullAttention): Rope {
  const isSliding = spec.sliding !== undefined && layerType === slidingAttention;
  const rope = spec.sliding ? layerRope(config, layerType) : flatRope(config, spec);
  if (!spec.sliding && spec.hasLayerTypes && layerTypesIn(rope).length > 0)
    badConfig('rope_parameters', 'lists layer types, but all layers of this family share their parameters');
  const type = typeOf(rope, spec);
  const { theta, thetaKey } = isSliding
    ? spec.sliding
    : { theta: spec.theta ?? 10_000, thetaKey: spec.thetaKey ?? 'rope_theta' };
  const inRope = 'rope_theta' in rope;
  const inConfig = thetaKey !== undefined && thetaKey in config;
  return {
    type,
    theta: positiveNumber(
      inRope ? 'rope_theta' : (thetaKey ?? 'rope_theta'),
      inRope ? rope['rope_theta'] : inConfig ? config[thetaKey] : theta,
    ),
    ...readScaling(type, config, rope, spec),
    partialRotaryFactor: readPartialFactor(config, rope, spec, type !== defaultType),
  };
}

/** `rope_type`, or `type` in older files. */
function typeOf(rope: JsonObject, { types = implementedTypes, typeNames = {}, hasAlpha }: RopeSpec): string {
  const given = 'rope_type' in rope ? rope['rope_type'] : 'type' in rope ? rope['type'] : defaultType;
  const type = typeof given === 'string' ? (typeNames[given] ?? given) : given;
  if (hasAlpha && type === 'dynamic' && (rope['alpha'] ?? 0) !== 0) return 'ntk-alpha';
  if (typeof type === 'string' && types.includes(type)) return type;
  return refuse('checkpoint/unsupported', {
    what: `rope type ${JSON.stringify(given)}`,
    why: `the types of this family are ${types.join(', ')}`,
  });
}

/** Families that rotate whole heads ignore a factor, but scaled frequencies would have its width. */
function readPartialFactor(
  config: JsonObject,
  rope: JsonObject,
  { factorKey, factor = 1 }: RopeSpec,
  isScaled: boolean,
): number {
  const key = 'partial_rotary_factor';
  if (factorKey !== undefined) {
    if (key in rope) return positiveNumber(key, rope[key]);
    return positiveNumber(factorKey, factorKey in config ? config[factorKey] : factor);
  }
  const given = key in rope ? rope[key] : (config[key] ?? 1);
  if (isScaled && given !== 1)
    refuse('checkpoint/unsupported', {
      what: `${key} ${JSON.stringify(given)}`,
      why: 'this family rotates whole heads',
    });
  return 1;
}

/** The settings that `createRotaryAngles` and `applyRotary` read. */
export function ropeSettings(spec: RopeSpec): ModelFamily['settings'] {
  const { thetaKey = 'rope_theta', factorKey, sliding } = spec;
  const field = (read: (rope: Rope) => SettingValue, ...keys: readonly string[]): SettingField => ({
    keys: [...keys, ...ropeKeys],
    read: (config) => read(readRope(config, spec)),
  });
  return {
    ropeTheta: field((rope) => rope.theta, thetaKey),
    ...(factorKey === undefined
      ? {}
      : { partialRotaryFactor: field((rope) => rope.partialRotaryFactor, factorKey) }),
    ropeType: field((rope) => rope.type),
    ropeFactor: field((rope) => rope.factor),
    ropeLowFreqFactor: field((rope) => rope.lowFreqFactor),
    ropeHighFreqFactor: field((rope) => rope.highFreqFactor),
    ropeOriginalPositions: field((rope) => rope.originalPositions),
    ropeAttentionFactor: field((rope) => rope.attentionFactor),
    ropeBetaFast: field((rope) => rope.betaFast),
    ropeBetaSlow: field((rope) => rope.betaSlow),
    ropeTruncate: field((rope) => rope.truncate),
    ropeShortFactor: field((rope) => rope.shortFactor),
    ropeLongFactor: field((rope) => rope.longFactor),
    ...(spec.interleaved ? { ropeInterleaved: { keys: [], read: () => true } } : {}),
    ...(spec.hasAlpha ? { ropeAlpha: field((rope) => rope.alpha) } : {}),
    ...(spec.hasQueryScale ? { ropeScalingBeta: field((rope) => rope.queryBeta) } : {}),
    ...(sliding
      ? {
          ropeLocalTheta: {
            keys: [...(sliding.thetaKey === undefined ? [] : [sliding.thetaKey]), ...ropeKeys],
            read: (config) => readRope(config, spec, slidingAttention).theta,
          },
        }
      : {}),
  };
}

/** Refuses lists of LongRoPE that are not as long as the rotated pairs of a head are many. */
function assertOneFactorPerPair(config: JsonObject, rope: Rope): void {
  if (rope.type !== 'longrope') return;
  const headDim = Number(
    config['head_dim'] ?? Number(config['hidden_size']) / Number(config['num_attention_heads']),
  );
  const pairs = Math.trunc(headDim * rope.partialRotaryFactor) / 2;
  for (const [key, list] of Object.entries({ short_factor: rope.shortFactor, long_factor: rope.longFactor }))
    if (Number.isFinite(pairs) && list.length !== pairs)
      badConfig(key, `lists ${list.length} numbers, but ${pairs} pairs of a head rotate`);
}

/** Refuses rotary parameters that `readRope` refuses, and scaled ones of sliding layers. */
export function assertRopeSupported(config: JsonObject, spec: RopeSpec): void {
  assertOneFactorPerPair(config, readRope(config, spec));
  if (!spec.sliding) return;
  const { type } = readRope(config, spec, slidingAttention);
  if (type !== defaultType)
    refuse('checkpoint/unsupported', {
      what: `rope type "${type}" of sliding layers`,
      why: 'only rope_theta of these layers is read',
    });
}

/** A config.json, and what was changed in it. */
export interface ConfigChange {
  readonly config: JsonObject;
  /** Sentences without a full stop. */
  readonly notes: readonly string[];
}

/**
 * The config.json with one set of rotary parameters, so that every program reads the same. Where both objects
 * are given, both become the one that `readRope` uses.
 */
export function unifyRope(config: JsonObject, spec: RopeSpec): ConfigChange {
  const scaling = ropeObject(config, 'rope_scaling');
  const parameters = ropeObject(config, 'rope_parameters');
  const notes: string[] = [];
  if (parameters && !spec.sliding && !spec.hasLayerTypes && flatRope(config, spec) === parameters) {
    const ignored = layerTypesIn(parameters);
    if (ignored.length > 0)
      notes.push(`rope_parameters of ${ignored.join(' and ')} are ignored, as in transformers`);
  }
  if (spec.sliding && scaling && !parameters && 'type' in scaling && !('rope_type' in scaling))
    notes.push('rope_scaling.type is ignored, as in transformers, which reads rope_type');
  if (!scaling || isEmpty(scaling) || !parameters || isEmpty(parameters)) return { config, notes };
  if (spec.sliding) {
    const full = layerRope(config, fullAttention);
    notes.push(`rope_scaling was added to rope_parameters.${fullAttention}, as in transformers`);
    return {
      config: {
        ...without(config, 'rope_scaling'),
        rope_parameters: { ...parameters, [fullAttention]: full },
      },
      notes,
    };
  }
  const { type, theta } = readRope(config, spec);
  const rope: JsonObject = { ...without(scaling, 'type'), rope_type: type, rope_theta: theta };
  const isSame = Object.keys({ ...rope, ...parameters }).every(
    (key) => JSON.stringify(rope[key]) === JSON.stringify(parameters[key]),
  );
  if (!isSame) notes.push('rope_scaling replaces rope_parameters, as in transformers');
  return { config: { ...config, rope_scaling: rope, rope_parameters: rope }, notes };
}

/**
 * The config.json for heads that grow from `from` to `to` entries and keep the number of rotated ones: the
 * rotated share of a head (`factor` before) shrinks, under `factorKey` or wherever config.json has it.
 */
export function withRotatedWidth(
  config: JsonObject,
  factorKey: string,
  factor: number,
  from: number,
  to: number,
): JsonObject {
  const rotated = Math.trunc(from * factor);
  // The quotient may be rounded down, so that truncating would lose an entry: then aim half an entry higher.
  const candidates = [rotated / to, (rotated + 0.5) / to];
  const newFactor = candidates.find((candidate) => Math.trunc(to * candidate) === rotated)!;
  const nested = ropeKeys.filter((key) => {
    const rope = config[key] as JsonObject | null | undefined;
    return typeof rope?.['partial_rotary_factor'] === 'number';
  });
  return {
    ...config,
    ...(nested.length === 0 || factorKey in config ? { [factorKey]: newFactor } : {}),
    ...Object.fromEntries(
      nested.map((key) => [key, { ...(config[key] as JsonObject), partial_rotary_factor: newFactor }]),
    ),
  };
}
