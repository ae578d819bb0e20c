/**
 * @file The meaning of every op in float64, by hand, one element at a time. Shares no code with `src-main`:
 * only its types.
 */
import type { Value } from '../../src-main/graph/graph.ts';

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}
/** Attributes by name; an op has those that its row names. */
interface Attrs {
  readonly axis: number;
  readonly k: number;
  readonly start: number;
  readonly end: number;
  readonly low: number;
  readonly high: number;
  readonly alpha: number;
  readonly depth: number;
  readonly scale: number;
  readonly eps: number;
  readonly axes: readonly number[];
  readonly perm: readonly number[];
  readonly sizes: readonly number[];
  readonly shape: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly keep: boolean;
  readonly transA: boolean;
  readonly transB: boolean;
  readonly to: string;
  readonly approximate: string;
}
type Meaning = (inputs: readonly Tensor[], attrs: Attrs) => Tensor | readonly Tensor[];

export const tensor = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  shape,
  data: Float64Array.from(data),
});
const count = (shape: readonly number[]): number => shape.reduce((n, s) => n * s, 1);

/** A tensor of `shape` whose element at each place is `f(place)`. */
function fill(shape: readonly number[], f: (place: readonly number[]) => number): Tensor {
  const data = new Float64Array(count(shape));
  const place = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = f(place);
    for (let axis = shape.length - 1; axis >= 0 && ++place[axis]! === shape[axis]; axis--) place[axis] = 0;
  }
  return { shape, data };
}

/** The element of `t` at a place of a shape it broadcasts to. */
function at(t: Tensor, place: readonly number[]): number {
  let index = 0;
  for (let axis = 0, lead = place.length - t.shape.length; axis < t.shape.length; axis++)
    index = index * t.shape[axis]! + (t.shape[axis] === 1 ? 0 : place[axis + lead]!);
  return t.data[index]!;
}

function indexOf(shape: readonly number[], place: readonly number[]): number {
  return shape.reduce((index, size, axis) => index * size + place[axis]!, 0);
}

function common(inputs: readonly Tensor[]): readonly number[] {
  const rank = Math.max(...inputs.map((t) => t.shape.length));
  return Array.from({ length: rank }, (_, i) =>
    Math.max(...inputs.map((t) => t.shape[i - rank + t.shape.length] ?? 1)),
  );
}

const each =
  (f: (...xs: number[]) => number): Meaning =>
  (inputs) =>
    fill(common(inputs), (p) => f(...inputs.map((t) => at(t, p))));
const map = (x: Tensor, f: (v: number) => number): Tensor => ({
  shape: x.shape,
  data: x.data.map((v) => f(v)),
});
const set = (place: readonly number[], axis: number, value: number): number[] =>
  place.map((p, i) => (i === axis ? value : p));
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** erf by its Maclaurin series, or 1 - its continued fraction for large arguments. */
export function erf(x: number): number {
  if (Math.abs(x) < 3) {
    let term = x;
    let total = x;
    for (let n = 1; n < 100; n++) {
      term *= (-x * x) / n;
      total += term / (2 * n + 1);
    }
    return (total * 2) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (Math.abs(x) + fraction);
  return Math.sign(x) * (1 - Math.exp(-x * x) / (Math.sqrt(Math.PI) * (Math.abs(x) + fraction)));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Folds the elements of `axes`. */
const reducing =
  (fold: (xs: readonly number[]) => number): Meaning =>
  ([x], { axes, keep }) => {
    const sizes = axes.map((a) => x!.shape[a]!);
    const groups = fill(
      x!.shape.map((s, i) => (axes.includes(i) ? 1 : s)),
      () => 0,
    ).shape;
    const out = fill(groups, (p) =>
      fold(
        range(count(sizes)).map((k) => {
          let rest = k;
          const place = [...p];
          for (const a of [...axes].reverse()) {
            place[a] = rest % x!.shape[a]!;
            rest = Math.floor(rest / x!.shape[a]!);
          }
          return at(x!, place);
        }),
      ),
    );
    return keep ? out : { ...out, shape: x!.shape.filter((_, i) => !axes.includes(i)) };
  };
const total = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

/** log Σ exp along an axis, at a place. */
const logSum = (x: Tensor, place: readonly number[], axis: number): number => {
  const xs = range(x.shape[axis]!).map((i) => at(x, set(place, axis, i)));
  const top = Math.max(...xs);
  return top + Math.log(total(xs.map((v) => Math.exp(v - top))));
};

const meanings: Readonly<Record<string, Meaning>> = {
  Add: each((a, b) => a + b),
  Sub: each((a, b) => a - b),
  Mul: each((a, b) => a * b),
  Div: each((a, b) => a / b),
  Pow: each((a, b) => a ** b),
  Min: each(Math.min),
  Max: each(Math.max),
  Neg: each((x) => -x),
  Reciprocal: each((x) => 1 / x),
  Sqrt: each(Math.sqrt),
  Exp: each(Math.exp),
  Log: each(Math.log),
  Tanh: each(Math.tanh),
  Erf: each(erf),
  Sigmoid: each(sigmoid),
  Relu: each((x) => Math.max(x, 0)),
  Silu: each((x) => x * sigmoid(x)),
  Greater: each((a, b) => Number(a > b)),
  Less: each((a, b) => Number(a < b)),
  Equal: each((a, b) => Number(a === b)),
  And: each((a, b) => a && b),
  Or: each((a, b) => a || b),
  Not: each((x) => 1 - x),
  Where: each((c, a, b) => (c ? a : b)),
  Cast: ([x], { to }) =>
    map(x!, to === 'bool' ? (v) => Number(v !== 0) : to.startsWith('int') ? Math.trunc : (v) => v),
  Clip: ([x], { low, high }) => map(x!, (v) => Math.min(Math.max(v, low), high)),
  Gelu: ([x], { approximate }) =>
    map(x!, (v) =>
      approximate === 'tanh'
        ? 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
        : 0.5 * v * (1 + erf(v / Math.SQRT2)),
    ),
  Identity: ([x]) => x!,
  Reshape: ([x], { shape }) => ({ shape, data: x!.data }),
  Expand: ([x], { shape }) => fill(shape, (p) => at(x!, p)),
  Transpose: ([x], { perm }) =>
    fill(
      perm.map((p) => x!.shape[p]!),
      (place) =>
        at(
          x!,
          perm.map((_, i) => place[perm.indexOf(i)]!),
        ),
    ),
  Concat: (xs, { axis }) =>
    fill(set(xs[0]!.shape, axis, total(xs.map((x) => x.shape[axis]!))), (p) => {
      let offset = p[axis]!;
      let piece = 0;
      while (offset >= xs[piece]!.shape[axis]!) offset -= xs[piece++]!.shape[axis]!;
      return at(xs[piece]!, set(p, axis, offset));
    }),
  Split: ([x], { sizes, axis }) =>
    sizes.map((size, k) =>
      fill(
        set(x!.shape, axis, size),
        (p) => x!.data[indexOf(x!.shape, set(p, axis, p[axis]! + total(sizes.slice(0, k))))]!,
      ),
    ),
  Slice: ([x], { axis, start, end }) =>
    fill(
      set(x!.shape, axis, end - start),
      (p) => x!.data[indexOf(x!.shape, set(p, axis, p[axis]! + start))]!,
    ),
  Pad: ([x], { before, after }) =>
    fill(
      x!.shape.map((s, i) => s + before[i]! + after[i]!),
      (p) => {
        const from = p.map((v, i) => v - before[i]!);
        return from.every((v, i) => v >= 0 && v < x!.shape[i]!) ? x!.data[indexOf(x!.shape, from)]! : 0;
      },
    ),
  ReduceSum: reducing(total),
  ReduceMean: reducing((xs) => total(xs) / xs.length),
  ReduceMax: reducing((xs) => Math.max(...xs)),
  ReduceSumSquare: reducing((xs) => total(xs.map((x) => x * x))),
  MatMul: ([a, b], { transA, transB, alpha }) => {
    const rows = a!.shape.at(transA ? -1 : -2)!;
    const inner = a!.shape.at(transA ? -2 : -1)!;
    const columns = b!.shape.at(transB ? -2 : -1)!;
    const lead = common([
      { ...a!, shape: a!.shape.slice(0, -2) },
      { ...b!, shape: b!.shape.slice(0, -2) },
    ]);
    return fill([...lead, rows, columns], (p) => {
      const front = p.slice(0, -2);
      const [i, j] = p.slice(-2) as [number, number];
      return (
        alpha *
        total(
          range(inner).map(
            (k) => exact(a!, front, transA ? [k, i] : [i, k]) * exact(b!, front, transB ? [j, k] : [k, j]),
          ),
        )
      );
    });
  },
  Gather: ([x, ids], { axis }) =>
    fill([...x!.shape.slice(0, axis), ...ids!.shape, ...x!.shape.slice(axis + 1)], (p) => {
      const rank = ids!.shape.length;
      const id = ids!.data[indexOf(ids!.shape, p.slice(axis, axis + rank))]!;
      return x!.data[indexOf(x!.shape, [...p.slice(0, axis), id, ...p.slice(axis + rank)])]!;
    }),
  GatherElements: ([x, ids], { axis }) =>
    fill(ids!.shape, (p) => x!.data[indexOf(x!.shape, set(p, axis, ids!.data[indexOf(ids!.shape, p)]!))]!),
  ScatterND: ([into, ids, updates]) => {
    const out = into!.data.slice();
    const row = count(into!.shape.slice(1));
    ids!.data.forEach((id, n) => {
      for (let k = 0; k < row; k++) out[id * row + k]! += updates!.data[n * row + k]!;
    });
    return { shape: into!.shape, data: out };
  },
  ScatterElements: ([into, ids, updates], { axis }) => {
    const out = into!.data.slice();
    fill(
      ids!.shape,
      (p) =>
        (out[indexOf(into!.shape, set(p, axis, ids!.data[indexOf(ids!.shape, p)]!))]! +=
          updates!.data[indexOf(ids!.shape, p)]!),
    );
    return { shape: into!.shape, data: out };
  },
  CumSum: ([x], { axis }) =>
    fill(x!.shape, (p) =>
      range(p[axis as number]! + 1).reduce(
        (sum, i) =>
          sum +
          at(
            x!,
            p.map((j, a) => (a === axis ? i : j)),
          ),
        0,
      ),
    ),
  OneHot: ([ids], { depth }) =>
    fill([...ids!.shape, depth], (p) => Number(ids!.data[indexOf(ids!.shape, p.slice(0, -1))] === p.at(-1))),
  Softmax: ([x], { axis }) => fill(x!.shape, (p) => Math.exp(at(x!, p) - logSum(x!, p, axis))),
  LogSoftmax: ([x], { axis }) => fill(x!.shape, (p) => at(x!, p) - logSum(x!, p, axis)),
  Attention: ([q, k, v, m], { scale }) => {
    const keys = k!.shape.at(-2)!;
    const d = q!.shape.at(-1)!;
    const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
    const scores = fill([...q!.shape.slice(0, -1), keys], (p) => {
      const lead = p.slice(0, -2);
      const [row, key] = p.slice(-2) as [number, number];
      return (
        scale * range(d).reduce((sum, i) => sum + at(q!, [...lead, row, i]) * at(k!, [...lead, key, i]), 0) +
        at(m!, [...(m!.shape.length === 3 ? [p[0]!] : []), row % m!.shape.at(-2)!, key])
      );
    });
    const share = fill(scores.shape, (p) => Math.exp(at(scores, p) - logSum(scores, p, p.length - 1)));
    return [
      fill([...q!.shape.slice(0, -1), v!.shape.at(-1)!], (p) =>
        range(keys).reduce(
          (sum, key) =>
            sum + at(share, [...p.slice(0, -1), key]) * at(v!, [...p.slice(0, -2), key, p.at(-1)!]),
          0,
        ),
      ),
      share,
    ];
  },
  RmsNorm: ([x], { eps }) => {
    const n = x!.shape.at(-1)!;
    const factor = fill(
      [...x!.shape.slice(0, -1), 1],
      (p) =>
        (Array.from({ length: n }, (_, i) => at(x!, [...p.slice(0, -1), i]) ** 2).reduce((a, b) => a + b) /
          n +
          eps) **
        -0.5,
    );
    return [fill(x!.shape, (p) => at(x!, p) * at(factor, p)), factor];
  },
  Rotary: ([x, cos, sin]) => {
    const half = cos!.shape[1]!;
    return fill(x!.shape, ([b, t, i]) => {
      const j = i! % (2 * half);
      const pair = j % half;
      const other = at(x!, [b!, t!, j < half ? i! + half : i! - half]);
      return at(x!, [b!, t!, i!]) * at(cos!, [t!, pair]) + (j < half ? -1 : 1) * other * at(sin!, [t!, pair]);
    });
  },
  Top: ([x], { k }) =>
    fill(x!.shape, (p) => {
      const row = range(x!.shape.at(-1)!).map((i) => at(x!, [...p.slice(0, -1), i]));
      const order = row.map((_, i) => i).sort((a, b) => row[b]! - row[a]! || a - b);
      return Number(order.indexOf(p.at(-1)!) < k);
    }),
  CrossEntropy: ([x, ids]) =>
    fill(
      ids!.shape,
      (p) =>
        logSum(x!, [...p, 0], p.length) -
        x!.data[indexOf(x!.shape, [...p, ids!.data[indexOf(ids!.shape, p)]!])]!,
    ),
};

/** An element by its last two places, under leading places that broadcast. */
function exact(t: Tensor, front: readonly number[], last: readonly [number, number]): number {
  const lead = t.shape.slice(0, -2);
  const place = lead.map((size, i) => (size === 1 ? 0 : front[i + front.length - lead.length]!));
  return t.data[indexOf(t.shape, [...place, ...last])]!;
}

/** The ops that have a meaning here. */
export const known = Object.keys(meanings);

/** Values of a graph in float64, from what its inputs are fed. */
/** The nearest number of a shorter type, ties to even: what a kernel stores. */
const stored: Readonly<Record<string, (v: number) => number>> = { float16: half, bfloat16: brain };
function half(v: number): number {
  const size = Math.abs(v);
  const step = 2 ** (Math.max(Math.floor(Math.log2(size)), -14) - 10);
  if (!Number.isFinite(v) || v === 0) return v;
  const near = even(size / step) * step;
  return Math.sign(v) * (near > 65504 ? Infinity : near);
}
function brain(v: number): number {
  if (!Number.isFinite(v) || v === 0) return v;
  const step = 2 ** (Math.floor(Math.log2(Math.abs(v))) - 7);
  return Math.sign(v) * even(Math.abs(v) / step) * step;
}
function even(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
const asStored = (v: Value, t: Tensor): Tensor =>
  v.dtype in stored ? { shape: t.shape, data: t.data.map(stored[v.dtype]!) } : t;

export function evaluate(
  values: readonly Value[],
  feeds: Readonly<Record<string, Tensor>>,
): readonly Tensor[] {
  const found = new Map<Value, Tensor>();
  const visit = (v: Value): Tensor => {
    const done = found.get(v);
    if (done) return done;
    if (!v.node) {
      const fed = v.constant ? asStored(v, tensor(v.shape, v.constant.values())) : feeds[v.name!];
      if (!fed) throw new Error(`${v.name ?? 'a value'} is not fed`);
      found.set(v, fed);
      return fed;
    }
    const meaning = meanings[v.node.op.name];
    if (!meaning) throw new Error(`evaluate.ts does not know ${v.node.op.name}`);
    const made = [
      meaning(v.node.inputs.map(visit), v.node.attrs as unknown as Attrs),
    ].flat() as readonly Tensor[];
    v.node.outputs.forEach((out, i) => found.set(out, asStored(out, made[i]!)));
    return found.get(v)!;
  };
  for (const v of [...values].sort((a, b) => a.id - b.id)) visit(v);
  return values.map(visit);
}
