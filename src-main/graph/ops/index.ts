/** @file The op table: every row there is, by name. */
import * as activation from './activation.ts';
import * as decoder from './decoder.ts';
import * as elementwise from './elementwise.ts';
import type { Op } from '../graph.ts';
import * as logic from './logic.ts';
import * as lookup from './lookup.ts';
import * as movement from './movement.ts';
import { MatMul } from './product.ts';
import * as reduce from './reduce.ts';
import { Top } from './routing.ts';
import * as softmax from './softmax.ts';

const { Greater, Less, Equal, And, Or, Not, Where, Cast } = logic;
const { Add, Sub, Mul, Div, Pow, Min, Max, Neg, Reciprocal, Sqrt, Exp, Log, Tanh, Erf, Sigmoid, Relu, Clip } =
  elementwise;
const { Identity, Reshape, Transpose, Expand, Concat, Split, Slice, Pad } = movement;
const { ReduceSum, ReduceMean, ReduceSumSquare, ReduceMax, CumSum } = reduce;
const { Gather, GatherElements, ScatterND, ScatterElements, OneHot } = lookup;
const { Softmax, LogSoftmax, CrossEntropy } = softmax;
const { Silu, Gelu } = activation;
const { Attention, RmsNorm, Rotary } = decoder;

const rows = {
  Greater,
  Less,
  Equal,
  And,
  Or,
  Not,
  Where,
  Cast,
  Add,
  Sub,
  Mul,
  Div,
  Pow,
  Min,
  Max,
  Neg,
  Reciprocal,
  Sqrt,
  Exp,
  Log,
  Tanh,
  Erf,
  Sigmoid,
  Relu,
  Clip,
  Identity,
  Reshape,
  Transpose,
  Expand,
  Concat,
  Split,
  Slice,
  Pad,
  ReduceSum,
  ReduceMean,
  ReduceSumSquare,
  ReduceMax,
  CumSum,
  MatMul,
  Gather,
  GatherElements,
  ScatterND,
  ScatterElements,
  OneHot,
  Softmax,
  LogSoftmax,
  CrossEntropy,
  Silu,
  Gelu,
  Attention,
  RmsNorm,
  Rotary,
  Top,
};

export type OpName = keyof typeof rows;

/** Every row. Attributes are checked where a row is emitted, so the table forgets their types. */
export const ops = rows as unknown as Readonly<Record<OpName, Op>>;
