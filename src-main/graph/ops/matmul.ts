/**
 * @file The matrix product with transposed operands and a scale, so that no gradient has to transpose a large
 * matrix.
 */
import { countOf, emitOne, type Op, type TensorType, type Value } from '../graph.ts';
import { broadcastShape } from '../shapes.ts';
import { mul } from './elementwise.ts';
import { reshape, swapLastAxes } from './movement.ts';

export type MatMulAttrs = { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };

/** Rows and columns of an operand, after transposition. */
const matrixSize = ({ shape }: TensorType, isTransposed: boolean): readonly [number, number] =>
  isTransposed ? [shape.at(-1)!, shape.at(-2)!] : [shape.at(-2)!, shape.at(-1)!];

/** alpha · A · B over the last two axes; `transA` and `transB` transpose an operand. Leading axes broadcast. */
export const MatMul: Op<MatMulAttrs> = {
  name: 'MatMul',
  cost: {
    products: ([a, b], output, { transA, transB }) => {
      const [rows, inner] = matrixSize(a!, transA);
      const [, columns] = matrixSize(b!, transB);
      return { flops: 2 * countOf(output.shape) * inner, smallestSide: Math.min(rows, inner, columns) };
    },
    extraPasses: null,
    functions: 0,
  },
  castPolicy: 'low',
  infer: ([a, b], { transA, transB }) => {
    if (a!.shape.length < 2 || b!.shape.length < 2) return 'both need two axes or more';
    const [rows, inner] = matrixSize(a!, transA);
    const [innerB, columns] = matrixSize(b!, transB);
    if (inner !== innerB) return `the inner sizes are ${inner} and ${innerB}`;
    const lead = broadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    if (!lead) return 'the leading axes do not broadcast';
    if (a!.dtype !== b!.dtype) return 'the element types differ';
    return [{ dtype: a!.dtype, shape: [...lead, rows, columns] }];
  },
  backward: (g, { inputs: [a, b], attrs: { transA, transB, alpha } }) => {
    const da = transA
      ? matmul(b!, g, { transA: transB, transB: true, alpha })
      : matmul(g, b!, { transB: !transB, alpha });
    const db = transB
      ? matmul(g, a!, { transA: true, transB: transA, alpha })
      : matmul(a!, g, { transA: !transA, alpha });
    return [da, db];
  },
  onnx: ({ inputs: [a, b], attrs: { transA, transB, alpha } }) => {
    if (!transA && !transB && alpha === 1) return { attrs: {} };
    const attrs = { transA, transB, alpha: { float: alpha } };
    return a!.shape.length === 2 && b!.shape.length === 2
      ? { op: 'Gemm', attrs }
      : { op: 'FusedMatMul', domain: 'com.microsoft', attrs };
  },
  lower: ([a, b], { transA, transB, alpha }) => {
    const product = matmul(transA ? swapLastAxes(a!) : a!, transB ? swapLastAxes(b!) : b!);
    return [alpha === 1 ? product : mul(product, alpha)];
  },
};

/**
 * alpha · a · b over the last two axes; `transA` and `transB` transpose an operand. Leading axes broadcast.
 * If `b` only broadcasts along the last leading axes of `a`, these axes become rows: that is one product
 * instead of many, and its gradient needs no sum over them.
 */
export function matmul(
  a: Value,
  b: Value,
  { transA = false, transB = false, alpha = 1 }: Partial<MatMulAttrs> = {},
): Value {
  const attrs = { transA, transB, alpha };
  const leadA = a.shape.length - 2;
  const leadB = b.shape.length - 2;
  let merged = 0;
  while (!transA && merged < leadA && (b.shape[leadB - 1 - merged] ?? 1) === 1) merged++;
  if (merged === 0) return emitOne(MatMul, [a, b], attrs);
  const rows = reshape(a, [...a.shape.slice(0, leadA - merged), -1, a.shape[leadA + 1]!]);
  const matrix = reshape(b, [...b.shape.slice(0, Math.max(0, leadB - merged)), ...b.shape.slice(-2)]);
  const product = emitOne(MatMul, [rows, matrix], attrs);
  const merging = a.shape.slice(leadA - merged, -1);
  return reshape(product, [...product.shape.slice(0, -2), ...merging, product.shape.at(-1)!]);
}
