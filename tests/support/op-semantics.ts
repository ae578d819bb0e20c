/**
 * @file Every op in float64, computed one element at a time from its definition. Shares no code with src-main,
 * so that tests can compare the two.
 */
import {
  broadcastElement,
  broadcastShape,
  elementAt,
  elementCount,
  flatIndex,
  fromFunction,
  mapElements,
  matrixAt,
  range,
  sum,
  withAxis,
  type Index,
  type Tensor,
} from './dense-tensor.ts';

/** The attributes of all ops; an op has those that its definition names. */
export interface Attributes {
  readonly axis: number;
  readonly k: number;
  readonly start: number;
  readonly end: number;
  readonly low: number;
  readonly high: number;
  readonly alpha: number;
  readonly depth: number;
  readonly scale: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly eps: number;
  readonly axes: readonly number[];
  readonly perm: readonly number[];
  readonly sizes: readonly number[];
  readonly shape: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly keepdim: boolean;
  readonly transA: boolean;
  readonly transB: boolean;
  readonly to: string;
  readonly approximate: string;
}
export type OpSemantics = (inputs: readonly Tensor[], attributes: Attributes) => Tensor | readonly Tensor[];
type Table = Readonly<Record<string, OpSemantics>>;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** erf by its Maclaurin series for |x| < 3, and by the continued fraction of erfc beyond. */
function erf(x: number): number {
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

function gelu(x: number, approximate: string): number {
  if (approximate !== 'tanh') return 0.5 * x * (1 + erf(x / Math.SQRT2));
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** An op that applies `f` to the elements of its broadcast inputs. */
const elementwise =
  (f: (...values: number[]) => number): OpSemantics =>
  (inputs) =>
    fromFunction(broadcastShape(inputs.map((x) => x.shape)), (index) =>
      f(...inputs.map((x) => broadcastElement(x, index))),
    );

const elementwiseOps: Table = {
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Pow: elementwise((a, b) => a ** b),
  Min: elementwise(Math.min),
  Max: elementwise(Math.max),
  Neg: elementwise((x) => -x),
  Reciprocal: elementwise((x) => 1 / x),
  Sqrt: elementwise(Math.sqrt),
  Exp: elementwise(Math.exp),
  Log: elementwise(Math.log),
  Tanh: elementwise(Math.tanh),
  Erf: elementwise(erf),
  Sigmoid: elementwise(sigmoid),
  Accumulate: elementwise((a, b) => a + b),
  Relu: elementwise((x) => Math.max(x, 0)),
  Silu: elementwise((x) => x * sigmoid(x)),
  Greater: elementwise((a, b) => Number(a > b)),
  Less: elementwise((a, b) => Number(a < b)),
  Equal: elementwise((a, b) => Number(a === b)),
  And: elementwise((a, b) => a && b),
  Or: elementwise((a, b) => a || b),
  Not: elementwise((x) => 1 - x),
  Where: elementwise((condition, a, b) => (condition ? a : b)),
  Clip: ([x], { low, high }) => mapElements(x!, (value) => Math.min(Math.max(value, low), high)),
  Gelu: ([x], { approximate }) => mapElements(x!, (value) => gelu(value, approximate)),
  Cast([x], { to }) {
    if (to === 'bool') return mapElements(x!, (value) => Number(value !== 0));
    return to.startsWith('int') ? mapElements(x!, Math.trunc) : mapElements(x!, (value) => value);
  },
};

const movementOps: Table = {
  Identity: ([x]) => x!,
  Reshape: ([x], { shape }) => ({ shape, data: x!.data }),
  Expand: ([x], { shape }) => fromFunction(shape, (index) => broadcastElement(x!, index)),
  Transpose([x], { perm }) {
    const shape = perm.map((axis) => x!.shape[axis]!);
    return fromFunction(shape, (index) =>
      elementAt(
        x!,
        perm.map((_, axis) => index[perm.indexOf(axis)]!),
      ),
    );
  },
  Concat(parts, { axis }) {
    const size = sum(parts.map((part) => part.shape[axis]!));
    return fromFunction(withAxis(parts[0]!.shape, axis, size), (index) => {
      let offset = index[axis]!;
      let part = 0;
      while (offset >= parts[part]!.shape[axis]!) {
        offset -= parts[part]!.shape[axis]!;
        part++;
      }
      return elementAt(parts[part]!, withAxis(index, axis, offset));
    });
  },
  Split([x], { sizes, axis }) {
    return sizes.map((size, part) => {
      const start = sum(sizes.slice(0, part));
      return fromFunction(withAxis(x!.shape, axis, size), (index) =>
        elementAt(x!, withAxis(index, axis, index[axis]! + start)),
      );
    });
  },
  Slice([x], { axis, start, end }) {
    return fromFunction(withAxis(x!.shape, axis, end - start), (index) =>
      elementAt(x!, withAxis(index, axis, index[axis]! + start)),
    );
  },
  Pad([x], { before, after }) {
    const shape = x!.shape.map((size, axis) => size + before[axis]! + after[axis]!);
    return fromFunction(shape, (index) => {
      const from = index.map((i, axis) => i - before[axis]!);
      const isInside = from.every((i, axis) => i >= 0 && i < x!.shape[axis]!);
      return isInside ? elementAt(x!, from) : 0;
    });
  },
};

/** An op that applies `f` to all elements along `axes`. */
const reduction =
  (f: (values: readonly number[]) => number): OpSemantics =>
  ([x], { axes, keepdim }) => {
    const count = elementCount(axes.map((axis) => x!.shape[axis]!));
    const reduced = x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const out = fromFunction(reduced, (index) => {
      const values = range(count).map((n) => {
        const source = [...index];
        let rest = n;
        for (const axis of [...axes].reverse()) {
          source[axis] = rest % x!.shape[axis]!;
          rest = Math.floor(rest / x!.shape[axis]!);
        }
        return elementAt(x!, source);
      });
      return f(values);
    });
    return keepdim ? out : { ...out, shape: x!.shape.filter((_, axis) => !axes.includes(axis)) };
  };

/** log Σ exp along an axis, at an index of the other axes. */
function logSumExp(x: Tensor, index: Index, axis: number): number {
  const values = range(x.shape[axis]!).map((i) => elementAt(x, withAxis(index, axis, i)));
  const max = Math.max(...values);
  return max + Math.log(sum(values.map((value) => Math.exp(value - max))));
}

const reductionOps: Table = {
  ReduceSum: reduction(sum),
  ReduceMean: reduction((values) => sum(values) / values.length),
  ReduceMax: reduction((values) => Math.max(...values)),
  ReduceSumSquare: reduction((values) => sum(values.map((value) => value * value))),
  CumSum: ([x], { axis }) =>
    fromFunction(x!.shape, (index) =>
      sum(range(index[axis]! + 1).map((i) => elementAt(x!, withAxis(index, axis, i)))),
    ),
  Softmax: ([x], { axis }) =>
    fromFunction(x!.shape, (index) => Math.exp(elementAt(x!, index) - logSumExp(x!, index, axis))),
  LogSoftmax: ([x], { axis }) =>
    fromFunction(x!.shape, (index) => elementAt(x!, index) - logSumExp(x!, index, axis)),
};

const lookupOps: Table = {
  Gather([x, ids], { axis }) {
    const rank = ids!.shape.length;
    const shape = [...x!.shape.slice(0, axis), ...ids!.shape, ...x!.shape.slice(axis + 1)];
    return fromFunction(shape, (index) => {
      const id = elementAt(ids!, index.slice(axis, axis + rank));
      return elementAt(x!, [...index.slice(0, axis), id, ...index.slice(axis + rank)]);
    });
  },
  GatherElements: ([x, ids], { axis }) =>
    fromFunction(ids!.shape, (index) => elementAt(x!, withAxis(index, axis, elementAt(ids!, index)))),
  // Adds the updates, as reduction="add" does.
  ScatterND([x, ids, updates]) {
    const data = x!.data.slice();
    const row = elementCount(x!.shape.slice(1));
    ids!.data.forEach((id, n) => {
      for (let i = 0; i < row; i++) data[id * row + i]! += updates!.data[n * row + i]!;
    });
    return { shape: x!.shape, data };
  },
  ScatterElements([x, ids, updates], { axis }) {
    const data = x!.data.slice();
    fromFunction(ids!.shape, (index) => {
      const target = withAxis(index, axis, elementAt(ids!, index));
      data[flatIndex(x!.shape, target)]! += elementAt(updates!, index);
      return 0;
    });
    return { shape: x!.shape, data };
  },
  OneHot: ([ids], { depth }) =>
    fromFunction([...ids!.shape, depth], (index) =>
      Number(elementAt(ids!, index.slice(0, -1)) === index.at(-1)),
    ),
  // 1 for the k largest of each row, 0 for the others; of equal values, the first wins.
  TopKMask: ([x], { k }) =>
    fromFunction(x!.shape, (index) => {
      const row = range(x!.shape.at(-1)!).map((i) => elementAt(x!, [...index.slice(0, -1), i]));
      const order = row.map((_, i) => i).sort((a, b) => row[b]! - row[a]! || a - b);
      return Number(order.indexOf(index.at(-1)!) < k);
    }),
  CrossEntropy: ([logits, ids]) =>
    fromFunction(
      ids!.shape,
      (index) =>
        logSumExp(logits!, [...index, 0], index.length) -
        elementAt(logits!, [...index, elementAt(ids!, index)]),
    ),
};

/** gain · (x - center) / √(mean of (x - center)² + eps) over the last axis; the center; and the inverse root. */
function normalize(x: Tensor, gain: Tensor, center: Tensor, eps: number): [Tensor, Tensor, Tensor] {
  const n = x.shape.at(-1)!;
  const centered = fromFunction(x.shape, (index) => elementAt(x, index) - broadcastElement(center, index));
  const inverse = fromFunction([...x.shape.slice(0, -1), 1], (index) => {
    const squares = range(n).map((i) => elementAt(centered, [...index.slice(0, -1), i]) ** 2);
    return (sum(squares) / n + eps) ** -0.5;
  });
  const output = fromFunction(
    x.shape,
    (index) =>
      elementAt(centered, index) * broadcastElement(inverse, index) * elementAt(gain, [index.at(-1)!]),
  );
  return [output, center, inverse];
}

const transformerOps: Table = {
  MatMul([a, b], { transA, transB, alpha }) {
    const rows = a!.shape.at(transA ? -1 : -2)!;
    const inner = a!.shape.at(transA ? -2 : -1)!;
    const columns = b!.shape.at(transB ? -2 : -1)!;
    const batchShape = broadcastShape([a!.shape.slice(0, -2), b!.shape.slice(0, -2)]);
    return fromFunction([...batchShape, rows, columns], (index) => {
      const batch = index.slice(0, -2);
      const [i, j] = index.slice(-2) as [number, number];
      const [left, right] = [matrixAt(a!, batch), matrixAt(b!, batch)];
      let total = 0;
      for (let k = 0; k < inner; k++)
        total +=
          left[transA ? k * rows + i : i * inner + k]! * right[transB ? j * inner + k : k * columns + j]!;
      return alpha * total;
    });
  },
  // Inputs q [B, rows, d], k [B, keys, d], v [B, keys, dv] and a mask that is added to the scores. A mask with
  // fewer rows than q repeats: the query heads of a group are stacked as rows.
  Attention([q, k, v, mask, bias], { scale }) {
    const keys = k!.shape.at(-2)!;
    const headDim = q!.shape.at(-1)!;
    const scores = fromFunction([...q!.shape.slice(0, -1), keys], (index) => {
      const batch = index.slice(0, -2);
      const [row, key] = index.slice(-2) as [number, number];
      const dot = sum(
        range(headDim).map(
          (i) => broadcastElement(q!, [...batch, row, i]) * broadcastElement(k!, [...batch, key, i]),
        ),
      );
      const maskBatch = mask!.shape.length === 3 ? [index[0]!] : [];
      const m = mask!.shape.at(-2)!;
      const added = bias ? broadcastElement(bias, [...batch, Math.floor(row / m), 0, key]) : 0;
      return scale * dot + broadcastElement(mask!, [...maskBatch, row % m, key]) + added;
    });
    const probabilities = fromFunction(scores.shape, (index) =>
      Math.exp(elementAt(scores, index) - logSumExp(scores, index, index.length - 1)),
    );
    const output = fromFunction([...q!.shape.slice(0, -1), v!.shape.at(-1)!], (index) => {
      const batch = index.slice(0, -2);
      const weighted = range(keys).map(
        (key) =>
          elementAt(probabilities, [...index.slice(0, -1), key]) *
          broadcastElement(v!, [...batch, key, index.at(-1)!]),
      );
      return sum(weighted);
    });
    return [output, probabilities];
  },
  // Inputs q [B, seq, Hq × d], k [B, seq, Hk × d], v [B, seq, Hk × dv]: Hq / Hk neighbouring heads share a key head.
  CausalAttention([q, k, v], { queryHeads, keyHeads, scale }) {
    const headDim = q!.shape[2]! / queryHeads;
    const valueDim = v!.shape[2]! / keyHeads;
    const keyHeadOf = (head: number): number => Math.floor(head / (queryHeads / keyHeads));
    const shape = [q!.shape[0]!, q!.shape[1]!, queryHeads * valueDim];
    return fromFunction(shape, ([b, row, column]) => {
      const head = Math.floor(column! / valueDim);
      const weights = range(row! + 1).map((key) =>
        Math.exp(
          scale *
            sum(
              range(headDim).map(
                (i) =>
                  elementAt(q!, [b!, row!, head * headDim + i]) *
                  elementAt(k!, [b!, key, keyHeadOf(head) * headDim + i]),
              ),
            ),
        ),
      );
      const valueColumn = keyHeadOf(head) * valueDim + (column! % valueDim);
      const weighted = weights.map((weight, key) => weight * elementAt(v!, [b!, key, valueColumn]));
      return sum(weighted) / sum(weights);
    });
  },
  // Also returns 1 / √(mean square + eps), which the gradient needs.
  RmsNorm([x, gain], { eps }) {
    const zero = fromFunction([...x!.shape.slice(0, -1), 1], () => 0);
    const [output, , inverse] = normalize(x!, gain!, zero, eps);
    return [output, inverse];
  },
  // Also returns the mean and 1 / √(variance + eps).
  LayerNorm([x, gain], { eps }) {
    const n = x!.shape.at(-1)!;
    const mean = fromFunction([...x!.shape.slice(0, -1), 1], (index) =>
      sum(range(n).map((i) => elementAt(x!, [...index.slice(0, -1), i]) / n)),
    );
    return normalize(x!, gain!, mean, eps);
  },
  // x [batch, positions, heads × headDim]; cos and sin [positions, headDim / 2].
  Rotary([x, cos, sin]) {
    const half = cos!.shape[1]!;
    return fromFunction(x!.shape, (index) => {
      const [batch, position, i] = index as [number, number, number];
      const isFirstHalf = i % (2 * half) < half;
      const pair = [position, i % half];
      const value = elementAt(x!, [batch, position, i]);
      const partner = elementAt(x!, [batch, position, isFirstHalf ? i + half : i - half]);
      const sign = isFirstHalf ? -1 : 1;
      return value * broadcastElement(cos!, pair) + sign * partner * broadcastElement(sin!, pair);
    });
  },
};

/** The reference implementation of each op, by name. */
export const opSemantics: Table = {
  ...elementwiseOps,
  ...movementOps,
  ...reductionOps,
  ...lookupOps,
  ...transformerOps,
};
