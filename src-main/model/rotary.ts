/**
 * @file Rotary position embedding (Su et al. 2021): pairs of entries of a head are rotated by an angle that grows
 * with the position. The frequencies are those of `rope-frequencies.ts`.
 */
import { refuse } from '../base/errors.ts';
import * as op from '../graph/ops/build.ts';
import type { Value } from '../graph/graph.ts';
import type { NamedValue } from './named-value.ts';
import { createRotaryAngles, type RotaryAngles } from './rope-frequencies.ts';
import type { Settings } from './settings.ts';

/** Which frequencies a row of a table has where they depend on the length of the sequence. */
export type AngleRows =
  /** Those of a sequence as long as the table: all tokens are read at once. */
  | 'sequence'
  /** Those of a sequence that ends at the row's position: tokens are read one after the other. */
  | 'position';

/** The cosine or sine of every angle, times the scale of its position, [positions, pairs]. */
export function angleTable(
  kind: 'cos' | 'sin',
  positions: number,
  { frequenciesFor, varies, scaleAt, key }: RotaryAngles,
  rows: AngleRows,
): Value {
  const last = frequenciesFor(positions);
  const pairs = last.length;
  const name = `rotary ${kind} ${positions} ${rows} ${key}`;
  return op.lazyConstant(name, 'float32', [positions, pairs], () => {
    const table = new Float32Array(positions * pairs);
    for (let position = 0; position < positions; position++) {
      const frequencies = rows === 'position' && varies ? frequenciesFor(position + 1) : last;
      const scale = scaleAt(position);
      for (let i = 0; i < pairs; i++)
        table[position * pairs + i] = scale * Math[kind](position * frequencies[i]!);
    }
    return table;
  });
}

/** The cosines and sines of the tokens of a sequence, [seq, pairs] each. */
export type AngleLookup = (angles: RotaryAngles, seq: number) => readonly [cos: Value, sin: Value];

/** The number of rotated entries of a head: the first ones. */
export function rotatedWidth(headDim: number, s: Settings): number {
  const width = Number(s['rotaryWidth'] ?? Math.trunc(headDim * Number(s['partialRotaryFactor'] ?? 1)));
  if (width % 2 !== 0 || width < 2 || width > headDim)
    refuse('checkpoint/unsupported', {
      what: `a partial_rotary_factor of ${String(s['partialRotaryFactor'])}`,
      why: `it would rotate ${width} of the ${headDim} entries of a head, and they rotate in pairs`,
    });
  return width;
}

/**
 * Rotates the first `rotatedWidth` entries of each head by position × frequency; the other entries pass unchanged.
 * `x` is [batch, seq, …, head_dim]. Interleaved pairs come out in halves, first entries before second ones: queries
 * and keys are permuted alike, which their products do not see.
 */
export function applyRotary(x: NamedValue, s: Settings, lookup: AngleLookup): NamedValue {
  const headDim = x.value.shape.at(-1)!;
  const width = rotatedWidth(headDim, s);
  if (width === headDim) return { value: rotateHeads(x.value, s, lookup), axes: x.axes };
  const [rotated, unchanged] = op.split(x.value, [width, headDim - width], -1) as [Value, Value];
  const value = op.concat([rotateHeads(rotated, s, lookup), unchanged], -1);
  return { value, axes: x.axes };
}

/** Rotates all entries of every head. */
function rotateHeads(x: Value, s: Settings, lookup: AngleLookup): Value {
  const [batch, seq] = x.shape as [number, number];
  const halves = s['ropeInterleaved'] === true ? pairsToHalves(x) : x;
  const heads = op.reshape(halves, [batch, seq, -1]);
  const [cos, sin] = lookup(createRotaryAngles(x.shape.at(-1)!, s), seq);
  return op.reshape(op.applyRotary(heads, cos, sin), x.shape);
}

/** The entries of each head in the order 0, 2, 4, … 1, 3, 5, …. */
function pairsToHalves(x: Value): Value {
  const pairs = op.reshape(x, [...x.shape.slice(0, -1), x.shape.at(-1)! / 2, 2]);
  return op.reshape(op.swapLastAxes(pairs), x.shape);
}
