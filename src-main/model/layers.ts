/**
 * @file What decoders are made of, over named axes: norms, rotary positions, attention, activations, and the
 * reader of a family's weights.
 */
import { refuse } from '../base/errors.ts';
import {
  attend,
  lazyConstant,
  gather,
  gelu,
  relu,
  reshape,
  rmsNorm,
  applyRotary,
  silu,
  tanh,
  type Value,
} from '../graph/ops/build.ts';
import * as op from '../graph/ops/build.ts';
import { shapeOf, viewOf, type Dims } from '../tensor/layout.ts';
import { tensorKey, type ModelFamily, type Settings, type TensorSpec } from './family.ts';
import { add, applyWeight, mapValue, mul, nameAxes, permute, type AxisName, type NamedValue } from './named.ts';

/** What a forward pass is written with. Names are without `.weight` and `.bias`. */
export interface Reader {
  readonly dims: Dims;
  readonly settings: Settings;
  /** `x` through the matrix `name`, and its bias when the family has one. */
  linear(x: NamedValue, name: string): NamedValue;
  /** The same where the matrix holds entries of unequal form one after the other: what each gives. */
  entries(x: NamedValue, name: string): readonly NamedValue[];
  /** Rows of the table `name`, tokens [batch, seq] → [batch, seq, its width]. */
  embed(name: string, tokens: Value): NamedValue;
  /**
   * The norm `name` of the family's own kind, over the axes of its gain together; over the last axis where it
   * has none.
   */
  norm(x: NamedValue, name: string): NamedValue;
  /** Logits [batch, seq, vocab]. */
  head(x: NamedValue): NamedValue;
  /** Rows of the position table `name`, [1, seq, its width]; the first position's is row `first`. */
  places(name: string, tokens: Value, first?: number): NamedValue;
  /** `x` [batch, seq, …, head_dim] turned by its positions; see `rotary`. */
  rotary(x: NamedValue, s?: Settings): NamedValue;
  /**
   * What each position hears of itself and those before it; see `attention`. Called once for each layer, in
   * their order.
   */
  attention(q: NamedValue, k: NamedValue, v: NamedValue, scale: number, how?: AttentionHow): NamedValue;
  /** Is told the logits of every router, [batch, seq, experts]. */
  routed(logits: Value): void;
}

/** The part of a reader that knows at which positions the tokens stand. */
export interface SequenceContext extends Pick<Reader, 'attention'> {
  rotary(x: NamedValue, s: Settings): NamedValue;
  /** Rows [1, seq] of a position table whose row `first` is the first position's. */
  rows(tokens: Value, first: number): Value;
}

/** A text read as a whole, from position 0. */
export const wholeSequence: SequenceContext = {
  attention,
  rotary: (x, s) => rotary(x, s, ({ rates, seq }) => [angles('cos', seq, rates), angles('sin', seq, rates)]),
  rows: ({ shape: [, seq] }, first) =>
    lazyConstant(`places ${first} ${seq}`, 'int64', [1, seq!], () =>
      Array.from({ length: seq! }, (_, i) => first + i),
    ),
};

/**
 * A text of several documents, `documents` [batch, seq] their numbers: none hears another. Positions go on
 * through all of them.
 */
export const maskDocuments = (documents: Value): SequenceContext => ({
  ...wholeSequence,
  attention: (q, k, v, scale, how = {}) => attention(q, k, v, scale, { ...how, documents }),
});

/**
 * A reader of weights given by name: stored shapes, no prefix. `routed` hears of routers, where there are
 * any; `placing` says where the tokens stand, from position 0 unless it is given.
 */
export function createModelBuilder(
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
  weights: ReadonlyMap<string, Value>,
  routed: Reader['routed'] = () => undefined,
  placing: SequenceContext = wholeSequence,
): Reader {
  const specOf = (name: string): TensorSpec => family.tensors[tensorKey(name)]!;
  const vector = (name: string): NamedValue | undefined => {
    const value = weights.get(name);
    if (!value) return undefined;
    const spec = specOf(name);
    const plain = nameAxes(reshape(value, viewOf(spec.layout, dims)), ...spec.layout.axes.map((a) => a.axis));
    return spec.offset === 0 ? plain : mapValue((v) => op.add(v, spec.offset), plain);
  };
  const matrix = (name: string): Value =>
    weights.get(name) ??
    weights.get(settings['tied'] === true && name === family.head.weight ? family.head.tiedTo : name)!;
  const capped = (x: NamedValue): NamedValue => {
    const cap = family.head.softcap === undefined ? null : settings[family.head.softcap];
    return typeof cap === 'number' ? mapValue((v) => softcap(v, cap), x) : x;
  };
  const linear = (x: NamedValue, name: string): NamedValue => {
    const spec = specOf(`${name}.weight`);
    const bias = vector(`${name}.bias`);
    const y = applyWeight(x, matrix(`${name}.weight`), spec.layout, viewOf(spec.layout, dims));
    return bias ? add(y, bias) : y;
  };
  const embed: Reader['embed'] = (name, tokens) => {
    const picked = nameAxes(
      gather(weights.get(`${name}.weight`)!, tokens),
      'batch',
      'seq',
      specOf(`${name}.weight`).layout.axes.at(-1)!.axis,
    );
    const scale = family.embedScale?.(dims, settings) ?? 1;
    return scale === 1 ? picked : mapValue((v) => op.mul(v, scale), picked);
  };
  return {
    dims,
    settings,
    linear,
    embed,
    routed,
    attention: placing.attention,
    rotary: (x, s = settings) => placing.rotary(x, s),
    places: (name, tokens, first = 0) => embed(name, placing.rows(tokens, first)),
    entries(x, name) {
      const { layout } = specOf(`${name}.weight`);
      const rows = layout.stack!.entries.map((entry) => shapeOf(entry, dims)[0]!);
      return op
        .split(matrix(`${name}.weight`), rows, 0)
        .map((weight, i) =>
          applyWeight(x, weight, layout.stack!.entries[i]!, viewOf(layout.stack!.entries[i]!, dims)),
        );
    },
    norm(x, name) {
      const gain = vector(`${name}.weight`);
      const shift = vector(`${name}.bias`);
      const eps = Number(settings['eps']);
      const y = normOver(
        family.stream.norm === 'rms' ? rmsNorm : layerNorm,
        x,
        gain?.axes ?? [x.axes.at(-1)!],
        eps,
      );
      const scaled = gain ? mul(y, gain) : y;
      return shift ? add(scaled, shift) : scaled;
    },
    head: (x) => capped(linear(x, family.head.weight.replace(/\.weight$/, ''))),
  };
}

/** A norm over these axes as if they were one. */
function normOver(
  norm: (x: Value, eps: number) => Value,
  x: NamedValue,
  axes: readonly AxisName[],
  eps: number,
): NamedValue {
  const lead = x.axes.filter((axis) => !axes.includes(axis));
  const y = permute(x, [...lead, ...axes]);
  if (axes.length === 1) return { value: norm(y.value, eps), axes: y.axes };
  return {
    value: reshape(norm(reshape(y.value, [...y.value.shape.slice(0, lead.length), -1]), eps), y.value.shape),
    axes: y.axes,
  };
}

/** (x - mean) / sqrt(variance + eps) over the last axis (Ba et al. 2016). */
const layerNorm = (x: Value, eps: number): Value =>
  rmsNorm(op.sub(x, op.mean(x, [-1], { keep: true })), eps);

/** cap · tanh(x / cap): near x where it is small, never beyond the cap. */
export const softcap = (x: Value, cap: number): Value => op.mul(tanh(op.mul(x, 1 / cap)), cap);

/** Rotary frequencies of each pair of a head, radians per position: transformers' modeling_rope_utils.py. */
export function frequencies(headDim: number, s: Settings): readonly number[] {
  const pairs = headDim / 2;
  const base = Number(s['ropeTheta']);
  const type = String(s['ropeType'] ?? 'default');
  const factor = Number(s['ropeFactor'] ?? 1);
  const plain = Array.from({ length: pairs }, (_, i) => base ** (-(2 * i) / headDim));
  if (type === 'default') return plain;
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3')
    return refuse('checkpoint/unsupported', {
      what: `rope type "${type}"`,
      why: 'its frequencies depend on the length of the text',
    });
  const low = Number(s['ropeLow']);
  const high = Number(s['ropeHigh']);
  const original = Number(s['ropeOriginal']);
  return plain.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    const smooth = (original / wavelength - low) / (high - low);
    if (wavelength > original / low) return f / factor;
    return wavelength < original / high ? f : ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** cos or sin of each angle, [positions, pairs]. */
export const angles = (kind: 'cos' | 'sin', positions: number, rates: readonly number[]): Value =>
  lazyConstant(`rotary ${kind} ${positions} ${rates.join()}`, 'float32', [positions, rates.length], () =>
    Float32Array.from({ length: positions * rates.length }, (_, i) =>
      Math[kind](Math.floor(i / rates.length) * rates[i % rates.length]!),
    ),
  );

/** What turns the tokens of a text, [seq, pairs] each. */
type Angles = (of: {
  readonly rates: readonly number[];
  readonly seq: number;
}) => readonly [cos: Value, sin: Value];

/**
 * Rotates pair (i, i + width/2) of each position by position × frequency i (Su et al. 2021, the half-split
 * form of transformers). `x` is [batch, seq, …, head_dim];
 * width is head_dim, or the share of it that the settings name, and what comes after passes through.
 */
export function rotary(x: NamedValue, s: Settings, by: Angles): NamedValue {
  const size = x.value.shape.at(-1)!;
  const width = Math.trunc(size * Number(s['partialRotaryFactor'] ?? 1));
  if (width % 2 !== 0)
    refuse('checkpoint/unsupported', {
      what: `a rotary share of ${String(s['partialRotaryFactor'])}`,
      why: `it would turn ${width} of the ${size} entries of a head, and they turn in pairs`,
    });
  if (width < size) {
    const [turned, passed] = op.split(x.value, [width, size - width], -1) as [Value, Value];
    return {
      value: op.concat(
        [rotary({ value: turned, axes: x.axes }, { ...s, partialRotaryFactor: 1 }, by).value, passed],
        -1,
      ),
      axes: x.axes,
    };
  }
  const [batch, seq] = x.value.shape as [number, number];
  return {
    value: reshape(
      applyRotary(reshape(x.value, [batch, seq, -1]), ...by({ rates: frequencies(size, s), seq })),
      x.value.shape,
    ),
    axes: x.axes,
  };
}

/** Added to the scores of keys that are not seen; far below any score, and finite. */
export const hidden = -1e30;

/**
 * Queries that are read at once: they see no key after their last, so blocks spare almost half of all scores.
 */
const queryBlock = (seq: number): number => Math.max(128, Math.ceil(seq / 8));

/**
 * `window`: each position sees itself and the window - 1 before it; all before it when absent. `cap` bounds
 * the scores, as cap · tanh(score / cap). `documents` [batch, seq]: positions see those of their own document
 * alone.
 */
export interface AttentionHow {
  readonly window?: number | undefined;
  readonly cap?: number | undefined;
  readonly documents?: Value | undefined;
}

/** The window of a layer: of all layers, or of those that the settings list as sliding. */
export function windowOf(s: Settings, layer: number): number | undefined {
  const types = s['layerTypes'];
  const window = s['window'];
  return typeof window === 'number' && (!Array.isArray(types) || types[layer] === 'sliding_attention')
    ? window
    : undefined;
}

/**
 * [to - from, to - first]: 0 where position from + row sees position first + column, and `hidden` elsewhere.
 */
const seen = (from: number, to: number, first: number, window: number): Value =>
  lazyConstant(`seen ${from} ${to} ${first} ${window}`, 'float32', [to - from, to - first], () =>
    Float32Array.from({ length: (to - from) * (to - first) }, (_, j) => {
      const back = from + Math.floor(j / (to - first)) - (first + (j % (to - first)));
      return back < 0 || back >= window ? hidden : 0;
    }),
  );

/**
 * `mask` [to - from, to - first] where both positions are of one document, [batch, …, …], and `hidden`
 * elsewhere; as it is where all is one text.
 */
function parted(mask: Value, documents: Value | undefined, from: number, to: number, first: number): Value {
  if (!documents) return mask;
  const [batch] = documents.shape as [number];
  const asks = reshape(op.slice(documents, 1, from, to), [batch, -1, 1]);
  const holds = reshape(op.slice(documents, 1, first, to), [batch, 1, -1]);
  return op.where(op.equal(asks, holds), mask, hidden);
}

/**
 * The axes that queries and keys share, and those that the queries have beside them: more than one row of
 * them reads the same keys.
 */
export const sharedAxes = (q: NamedValue, k: NamedValue): Readonly<Record<'lead' | 'own', readonly AxisName[]>> => ({
  lead: k.axes.filter((axis) => axis !== 'seq' && axis !== 'head_dim'),
  own: q.axes.filter((axis) => !k.axes.includes(axis)),
});

/**
 * softmax(q·k·scale, causal) · v, [batch, seq, heads…, head_dim] each. Whatever head axes `q` has and `k`
 * lacks become rows beside `seq` and share the keys:
 * plain heads, grouped queries and one key head are one function, and no key is repeated in memory.
 */
export function attention(
  q: NamedValue,
  k: NamedValue,
  v: NamedValue,
  scale: number,
  { window = Infinity, cap, documents }: AttentionHow = {},
): NamedValue {
  const { lead, own } = sharedAxes(q, k);
  const asked = permute(q, [...lead, ...own, 'seq', 'head_dim']).value;
  const keys = permute(k, [...lead, 'seq', 'head_dim']).value;
  const values = permute(v, [...lead, 'seq', 'head_dim']).value;
  const [seq, width] = asked.shape.slice(-2) as [number, number];
  const block = queryBlock(seq);
  const blocks = Math.ceil(seq / block);
  const leading = lead.map((_, i) => asked.shape[i]!);
  const read = Array.from({ length: blocks }, (_, i) => {
    const from = i * block;
    const to = Math.min(seq, from + block);
    const first = Math.max(0, from - window + 1);
    const rows = op.slice(asked, -2, from, to);
    const look =
      cap === undefined ? attend : (...args: Parameters<typeof attend>) => boundedAttend(cap, ...args);
    const out = look(
      reshape(rows, [...leading, -1, width]),
      op.slice(keys, -2, first, to),
      op.slice(values, -2, first, to),
      parted(seen(from, to, first, Math.min(window, seq)), documents, from, to, first),
      scale,
    );
    return reshape(out, [...rows.shape.slice(0, -1), values.shape.at(-1)!]);
  });
  return nameAxes(blocks === 1 ? read[0]! : op.concat(read, -2), ...lead, ...own, 'seq', 'head_dim');
}

/** `attend` with bounded scores: softmax(bounded(scale · q kᵀ) + mask) v. */
function boundedAttend(cap: number, q: Value, k: Value, v: Value, mask: Value, scale: number): Value {
  return op.matmul(
    op.softmax(op.addMask(softcap(op.matmul(q, k, { transB: true, alpha: scale }), cap), mask)),
    v,
  );
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
export const activate = (x: NamedValue, name: string): NamedValue =>
  mapValue(
    activations[name] ??
      refuse('checkpoint/unsupported', {
        what: `activation "${name}"`,
        why: `the known ones are ${Object.keys(activations).join(', ')}`,
      }),
    x,
  );
