/** @file What decoders are made of, over named axes: norms, rotary positions, attention, activations, and the reader of a family's weights. */
import { refuse } from '../base/errors.ts';
import { constantBy, gather, gelu, relu, reshape, silu, softmax, sqrt, tanh, type Value } from '../graph/build.ts';
import * as op from '../graph/build.ts';
import { viewOf, type Dims } from '../tensor/layout.ts';
import type { ModelFamily, Settings, TensorSpec } from './family.ts';
import { add, apply, dot, halves, join, map, meanOver, mul, named, order, rename, together, type Named } from './named.ts';

/** What a forward pass is written with. Names are without `.weight` and `.bias`. */
export interface Reader {
  readonly dims: Dims;
  readonly settings: Settings;
  /** `x` through the matrix `name`, and its bias when the family has one. */
  linear(x: Named, name: string): Named;
  /** Rows of the table `name`, tokens [batch, seq] → [batch, seq, hidden]. */
  embed(name: string, tokens: Value): Named;
  /** The norm `name` of the family's own kind over the stream. */
  norm(x: Named, name: string): Named;
  /** Logits [batch, seq, vocab]. */
  head(x: Named): Named;
}

/** A reader of weights given by name: stored shapes, no prefix. */
export function readerOf(family: ModelFamily, dims: Dims, settings: Settings, weights: ReadonlyMap<string, Value>): Reader {
  const specOf = (name: string): TensorSpec => family.tensors[name.replace(/\.\d+\./, '.{layer}.')]!;
  const vector = (name: string): Named | undefined => {
    const value = weights.get(name);
    if (!value) return undefined;
    const spec = specOf(name), plain = named(reshape(value, viewOf(spec.layout, dims)), ...spec.layout.axes.map((a) => a.axis));
    return spec.offset === 0 ? plain : map((v) => op.add(v, spec.offset), plain);
  };
  const matrix = (name: string): Value => weights.get(name) ?? weights.get(settings['tied'] === true && name === family.head.weight ? family.head.tiedTo : name)!;
  const linear = (x: Named, name: string): Named => {
    const spec = specOf(`${name}.weight`), bias = vector(`${name}.bias`);
    const y = apply(x, matrix(`${name}.weight`), spec, viewOf(spec.layout, dims));
    return bias ? add(y, bias) : y;
  };
  return {
    dims, settings, linear,
    embed(name, tokens) {
      const picked = named(gather(weights.get(`${name}.weight`)!, tokens), 'batch', 'seq', family.stream.axis);
      const scale = family.embedScale?.(dims) ?? 1;
      return scale === 1 ? picked : map((v) => op.mul(v, scale), picked);
    },
    norm(x, name) {
      const gain = vector(`${name}.weight`), shift = vector(`${name}.bias`), eps = Number(settings['eps']);
      const y = (family.stream.norm === 'rms' ? rmsNorm : layerNorm)(x, eps);
      const scaled = gain ? mul(y, gain) : y;
      return shift ? add(scaled, shift) : scaled;
    },
    head: (x) => linear(x, family.head.weight.replace(/\.weight$/, '')),
  };
}

/** x / sqrt(mean(x²) + eps) over hidden (Zhang and Sennrich 2019). */
export function rmsNorm(x: Named, eps: number): Named {
  const scale = map((v) => sqrt(op.add(v, eps)), meanOver(map(op.square, x), 'hidden'));
  return { value: op.div(x.value, scale.value), axes: x.axes };
}

/** (x - mean) / sqrt(variance + eps) over hidden (Ba et al. 2016). */
export function layerNorm(x: Named, eps: number): Named {
  return rmsNorm({ value: op.sub(x.value, meanOver(x, 'hidden').value), axes: x.axes }, eps);
}

/** Rotary frequencies of each pair of a head, radians per position: transformers' modeling_rope_utils.py. */
export function frequencies(headDim: number, s: Settings): readonly number[] {
  const pairs = headDim / 2, base = Number(s['ropeTheta']), type = String(s['ropeType'] ?? 'default'), factor = Number(s['ropeFactor'] ?? 1);
  const plain = Array.from({ length: pairs }, (_, i) => base ** (-(2 * i) / headDim));
  if (type === 'default') return plain;
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3') return refuse('checkpoint/unsupported', { what: `rope type "${type}"`, why: 'its frequencies depend on the length of the text' });
  const low = Number(s['ropeLow']), high = Number(s['ropeHigh']), original = Number(s['ropeOriginal']);
  return plain.map((f) => {
    const wavelength = (2 * Math.PI) / f, smooth = (original / wavelength - low) / (high - low);
    if (wavelength > original / low) return f / factor;
    return wavelength < original / high ? f : ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** Rotates pair (i, i + head_dim/2) of each position by position × frequency i (Su et al. 2021, the half-split form of transformers). */
export function rotary(x: Named, s: Settings): Named {
  const seq = x.value.shape[x.axes.indexOf('seq')]!, headDim = x.value.shape[x.axes.indexOf('head_dim')]!, rates = frequencies(headDim, s);
  const table = (kind: string, f: (angle: number, second: boolean) => number): Named =>
    named(constantBy(`rotary ${kind} ${seq} ${rates.join()}`, 'float32', [seq, headDim], () =>
      Float32Array.from({ length: seq * headDim }, (_, i) => { const j = i % headDim; return f(Math.floor(i / headDim) * rates[j % rates.length]!, j >= rates.length); })), 'seq', 'head_dim');
  const [first, second] = halves(x, 'head_dim');
  return add(mul(x, table('cos', Math.cos)), mul(join('head_dim', second, first), table('sin', (angle, late) => (late ? Math.sin(angle) : -Math.sin(angle)))));
}

/** Added to the scores of later positions; far below any score, and finite. */
const hidden = -1e30;

/** softmax(q·k·scale, causal) · v. Whatever head axes `q` has and `k` lacks share the keys: plain heads, grouped queries and one key head are one function. */
export function attention(q: Named, k: Named, v: Named, scale: number): Named {
  const seq = q.value.shape[q.axes.indexOf('seq')]!;
  const heads = q.axes.filter((axis) => axis !== 'batch' && axis !== 'seq' && axis !== 'head_dim');
  const asked = order(q, ['batch', ...heads, 'seq', 'head_dim']);
  const scores = dot(asked, rename(k, 'seq', 'key'), 'head_dim', scale);
  const mask = named(constantBy(`causal ${seq}`, 'float32', [seq, seq], () => Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? hidden : 0))), 'seq', 'key');
  return dot(map((s) => softmax(s), together(op.add, scores, mask)), rename(v, 'seq', 'key'), 'key');
}

/** Activation functions under the names config.json uses (transformers' activations.py). */
export const activations: Readonly<Record<string, (x: Value) => Value>> = {
  silu,
  swish: silu,
  relu,
  tanh,
  gelu: (x) => gelu(x, 'none'),
  gelu_new: (x) => gelu(x, 'tanh'),
  gelu_fast: (x) => gelu(x, 'tanh'),
  gelu_pytorch_tanh: (x) => gelu(x, 'tanh'),
};
export const activate = (x: Named, name: string): Named =>
  map(activations[name] ?? refuse('checkpoint/unsupported', { what: `activation "${name}"`, why: `the known ones are ${Object.keys(activations).join(', ')}` }), x);
