/**
 * @file What config.json says of rotary positions, in both of its forms: `rope_theta` and `rope_scaling` of
 * transformers 4, `rope_parameters` of 5.
 */
import { refuse } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { SettingField, SettingValue } from './family.ts';

/**
 * How one family names the base, and the share of a head that is turned; without `shareKey` whole heads are.
 */
export interface RopeNames {
  readonly theta?: number;
  readonly thetaKey?: string;
  readonly share?: number;
  readonly shareKey?: string;
}

const scaling = ['rope_scaling', 'rope_parameters'];
const ropeOf = (config: JsonObject): JsonObject => ({
  ...(config['rope_scaling'] as JsonObject | null | undefined),
  ...(config['rope_parameters'] as JsonObject | null | undefined),
});
const typeOf = (config: JsonObject): SettingValue =>
  (ropeOf(config)['rope_type'] ?? ropeOf(config)['type'] ?? 'default') as SettingValue;

/** The settings that `frequencies` and `rotary` read. */
export function ropeSettings({
  theta = 10_000,
  thetaKey = 'rope_theta',
  share = 1,
  shareKey,
}: RopeNames = {}): Readonly<Record<string, SettingField>> {
  const own = (name: string, key: string, otherwise: number): SettingField => ({
    keys: [key, ...scaling],
    read: (config) => (ropeOf(config)[name] ?? config[key] ?? otherwise) as SettingValue,
  });
  const scaled = (name: string, otherwise: number): SettingField => ({
    keys: scaling,
    read: (config) => (ropeOf(config)[name] ?? otherwise) as SettingValue,
  });
  return {
    ropeTheta: own('rope_theta', thetaKey, theta),
    ...(shareKey === undefined ? {} : { partialRotaryFactor: own('partial_rotary_factor', shareKey, share) }),
    ropeType: { keys: scaling, read: typeOf },
    ropeFactor: scaled('factor', 1),
    ropeLow: scaled('low_freq_factor', 1),
    ropeHigh: scaled('high_freq_factor', 4),
    ropeOriginal: scaled('original_max_position_embeddings', 8192),
  };
}

/** Refuses rope types whose frequencies are not fixed numbers. */
export function refuseRope(config: JsonObject): void {
  const type = String(typeOf(config));
  if (!['default', 'linear', 'llama3'].includes(type))
    refuse('checkpoint/unsupported', {
      what: `rope type "${type}"`,
      why: 'its frequencies depend on the length of the text',
    });
}

/**
 * config.json of heads `to` wide that turn as many entries as those `from` wide did: their `share` shrinks,
 * under `shareKey` or wherever it is said.
 */
export function withRotatedWidth(
  config: JsonObject,
  shareKey: string,
  share: number,
  from: number,
  to: number,
): JsonObject {
  const turned = Math.trunc(from * share);
  // a quotient may be rounded down
  const shrunk = [turned / to, (turned + 0.5) / to].find((s) => Math.trunc(to * s) === turned)!;
  const nested = scaling.filter(
    (name) => typeof (config[name] as JsonObject | null | undefined)?.['partial_rotary_factor'] === 'number',
  );
  return {
    ...config,
    ...(nested.length === 0 || shareKey in config ? { [shareKey]: shrunk } : {}),
    ...Object.fromEntries(
      nested.map((name) => [name, { ...(config[name] as JsonObject), partial_rotary_factor: shrunk }]),
    ),
  };
}
