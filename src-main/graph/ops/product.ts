/**
 * @file The matrix product, with transposed operands and a factor, so that no gradient needs a Transpose of a
 * big matrix.
 */
import { countOf, emitOne, type Op, type Type, type Value } from '../graph.ts';
import { mul } from './elementwise.ts';
import { reshape, swapLast } from './movement.ts';
import { broadcastShape } from '../shapes.ts';

type Attrs = { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };

/** Rows and columns of an operand as the product reads it. */
const sides = ({ shape }: Type, swapped: boolean): readonly [number, number] =>
  swapped ? [shape.at(-1)!, shape.at(-2)!] : [shape.at(-2)!, shape.at(-1)!];

/** alpha · A · B over the last two axes, either operand read transposed; leading axes broadcast. */
export const MatMul: Op<Attrs> = {
  name: 'MatMul',
  infer: ([a, b], { transA, transB }) => {
    if (a!.shape.length < 2 || b!.shape.length < 2) return 'both need two axes or more';
    const [rows, inner] = sides(a!, transA);
    const [inner2, columns] = sides(b!, transB);
    const lead = broadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    if (inner !== inner2) return `the inner sizes are ${inner} and ${inner2}`;
    if (!lead || a!.dtype !== b!.dtype)
      return lead ? 'the element types differ' : 'the leading axes do not broadcast';
    return [{ dtype: a!.dtype, shape: [...lead, rows, columns] }];
  },
  grad: (g, { in: [a, b], attrs: { transA, transB, alpha } }) => [
    transA
      ? matmul(b!, g, { transA: transB, transB: true, alpha })
      : matmul(g, b!, { transB: !transB, alpha }),
    transB
      ? matmul(g, a!, { transA: true, transB: transA, alpha })
      : matmul(a!, g, { transA: !transA, alpha }),
  ],
  onnx: ({ inputs: [a, b], attrs: { transA, transB, alpha } }) => {
    if (!transA && !transB && alpha === 1) return { attrs: {} };
    const attrs = { transA, transB, alpha: { float: alpha } };
    return a!.shape.length === 2 && b!.shape.length === 2
      ? { op: 'Gemm', attrs }
      : { op: 'FusedMatMul', domain: 'com.microsoft', attrs };
  },
  lower: ([a, b], { transA, transB, alpha }) => {
    const product = matmul(transA ? swapLast(a!) : a!, transB ? swapLast(b!) : b!);
    return [alpha === 1 ? product : mul(product, alpha)];
  },
  flops: ([a], out, { transA }) => 2 * countOf(out.shape) * sides(a!, transA)[1],
};

/** alpha · a · b over the last two axes; `transA` and `transB` read an operand transposed, leading axes broadcast.
 * Those leading axes of `a` (the last ones) that `b` only broadcasts along become rows: one product instead
 * of many, and in the gradient no sum over them.
 */
export function matmul(
  a: Value,
  b: Value,
  { transA = false, transB = false, alpha = 1 }: Partial<Attrs> = {},
): Value {
  const attrs = { transA, transB, alpha };
  const lead = a.shape.length - 2;
  const own = b.shape.length - 2;
  let merged = 0;
  while (!transA && merged < lead && (b.shape[own - 1 - merged] ?? 1) === 1) merged++;
  if (merged === 0) return emitOne(MatMul, [a, b], attrs);
  const rows = reshape(a, [...a.shape.slice(0, lead - merged), -1, a.shape[lead + 1]!]);
  const product = emitOne(
    MatMul,
    [rows, reshape(b, [...b.shape.slice(0, Math.max(0, own - merged)), ...b.shape.slice(-2)])],
    attrs,
  );
  return reshape(product, [
    ...product.shape.slice(0, -2),
    ...a.shape.slice(lead - merged, -1),
    product.shape.at(-1)!,
  ]);
}
