/**
 * @file Rotary position embedding (Su et al. 2021) in the half-split form of transformers, with the frequencies
 * of modeling_rope_utils.py.
 */
import { toText } from '../base/json.ts';
import { refuse } from '../base/errors.ts';
import * as op from '../graph/ops/build.ts';
import type { Value } from '../graph/graph.ts';
import type { NamedValue } from './named-value.ts';
import type { Settings } from './settings.ts';

/** The frequency of each pair of entries of a head, in radians per position. */
export function ropeFrequencies(headDim: number, s: Settings): readonly number[] {
  const base = Number(s['ropeTheta']);
  const type = toText(s['ropeType'] ?? 'default');
  const factor = Number(s['ropeFactor'] ?? 1);
  const plain = Array.from({ length: headDim / 2 }, (_, i) => base ** (-(2 * i) / headDim));
  if (type === 'default') return plain;
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3')
    return refuse('checkpoint/unsupported', {
      what: `rope type "${type}"`,
      why: 'its frequencies depend on the sequence length',
    });
  const low = Number(s['ropeLowFreqFactor']);
  const high = Number(s['ropeHighFreqFactor']);
  const original = Number(s['ropeOriginalPositions']);
  return plain.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength > original / low) return f / factor;
    if (wavelength < original / high) return f;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** The cosine or sine of every angle, [positions, pairs]. */
export function angleTable(kind: 'cos' | 'sin', positions: number, frequencies: readonly number[]): Value {
  const pairs = frequencies.length;
  const key = `rotary ${kind} ${positions} ${frequencies.join()}`;
  return op.lazyConstant(key, 'float32', [positions, pairs], () =>
    Float32Array.from({ length: positions * pairs }, (_, i) => {
      const position = Math.floor(i / pairs);
      return Math[kind](position * frequencies[i % pairs]!);
    }),
  );
}

/** The cosines and sines of the tokens of a sequence, [seq, pairs] each. */
export type AngleLookup = (frequencies: readonly number[], seq: number) => readonly [cos: Value, sin: Value];

/**
 * Rotates the pair (i, i + width/2) of each position by position × frequency i. `x` is [batch, seq, …,
 * head_dim]. The width is head_dim times the setting `partialRotaryFactor`; the other entries of a head pass
 * unchanged.
 */
export function applyRotary(x: NamedValue, s: Settings, lookup: AngleLookup): NamedValue {
  const headDim = x.value.shape.at(-1)!;
  const width = Math.trunc(headDim * Number(s['partialRotaryFactor'] ?? 1));
  if (width % 2 !== 0 || width < 2 || width > headDim)
    refuse('checkpoint/unsupported', {
      what: `a partial_rotary_factor of ${String(s['partialRotaryFactor'])}`,
      why: `it would rotate ${width} of the ${headDim} entries of a head, and they rotate in pairs`,
    });
  if (width === headDim) return { value: rotateHeads(x.value, s, lookup), axes: x.axes };
  const [rotated, unchanged] = op.split(x.value, [width, headDim - width], -1) as [Value, Value];
  const value = op.concat([rotateHeads(rotated, s, lookup), unchanged], -1);
  return { value, axes: x.axes };
}

/** Rotates all entries of every head. */
function rotateHeads(x: Value, s: Settings, lookup: AngleLookup): Value {
  const [batch, seq] = x.shape as [number, number];
  const heads = op.reshape(x, [batch, seq, -1]);
  const [cos, sin] = lookup(ropeFrequencies(x.shape.at(-1)!, s), seq);
  return op.reshape(op.applyRotary(heads, cos, sin), x.shape);
}
