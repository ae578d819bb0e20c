/**
 * @file What config.json says about rotary position embedding, in both of its forms: `rope_theta` and
 * `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5).
 */
import { refuse } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { ModelFamily, SettingField } from './family.ts';
import type { SettingValue } from './settings.ts';

/** The names and default values of a family. Without `factorKey`, whole heads are rotated. */
export interface RopeDefaults {
  readonly theta?: number;
  readonly thetaKey?: string;
  readonly factor?: number;
  /** The config key for the rotated share of a head: `partial_rotary_factor`, or its older name. */
  readonly factorKey?: string;
}

const ropeKeys = ['rope_scaling', 'rope_parameters'];

/** Both objects of config.json merged; `rope_parameters` wins. */
const mergedRope = (config: JsonObject): JsonObject => ({
  ...(config['rope_scaling'] as JsonObject | null | undefined),
  ...(config['rope_parameters'] as JsonObject | null | undefined),
});

function ropeTypeOf(config: JsonObject): SettingValue {
  const rope = mergedRope(config);
  return (rope['rope_type'] ?? rope['type'] ?? 'default') as SettingValue;
}

/** The settings that `ropeFrequencies` and `applyRotary` read. */
export function ropeSettings({
  theta = 10_000,
  thetaKey = 'rope_theta',
  factor = 1,
  factorKey,
}: RopeDefaults = {}): ModelFamily['settings'] {
  /** Read from the merged object, or from the top level of config.json under `key`. */
  const topLevel = (name: string, key: string, defaultValue: number): SettingField => ({
    keys: [key, ...ropeKeys],
    read: (config) => (mergedRope(config)[name] ?? config[key] ?? defaultValue) as SettingValue,
  });
  const nested = (name: string, defaultValue: number): SettingField => ({
    keys: ropeKeys,
    read: (config) => (mergedRope(config)[name] ?? defaultValue) as SettingValue,
  });
  return {
    ropeTheta: topLevel('rope_theta', thetaKey, theta),
    ...(factorKey === undefined
      ? {}
      : { partialRotaryFactor: topLevel('partial_rotary_factor', factorKey, factor) }),
    ropeType: { keys: ropeKeys, read: ropeTypeOf },
    ropeFactor: nested('factor', 1),
    ropeLowFreqFactor: nested('low_freq_factor', 1),
    ropeHighFreqFactor: nested('high_freq_factor', 4),
    ropeOriginalPositions: nested('original_max_position_embeddings', 8192),
  };
}

/** Refuses rope types whose frequencies depend on the sequence length. */
export function assertRopeSupported(config: JsonObject): void {
  const type = String(ropeTypeOf(config));
  if (!['default', 'linear', 'llama3'].includes(type))
    refuse('checkpoint/unsupported', {
      what: `rope type "${type}"`,
      why: 'its frequencies depend on the sequence length',
    });
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
