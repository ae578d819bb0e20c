/** @file SiLU and GELU, which have a kernel of their own and a short gradient. */
import { emitOne, type Attrs, type Op, type Value } from '../graph.ts';
import { functionCost } from '../op-cost.ts';
import { isFloat } from '../types.ts';
import { add, div, erf, exp, mul, neg, sigmoid, square, sub } from './elementwise.ts';

const infer: Op['infer'] = ([x]) => (isFloat(x!) ? [x!] : 'not a float');

/** x · sigmoid(x) (Elfwing et al. 2018). Its derivative is sigmoid(x) · (1 + x - silu(x)). */
const Silu: Op = {
  name: 'Silu',
  elementwise: true,
  cost: functionCost(1),
  castPolicy: 'promote-bfloat16',
  infer,
  backward: (g, { inputs: [x], output }) => [mul(g, mul(sigmoid(x!), add(sub(x!, output), 1)))],
  onnx: () => ({ op: 'QuickGelu', domain: 'com.microsoft', attrs: { alpha: { float: 1 } } }),
  lower: ([x]) => [div(x!, add(exp(neg(x!)), 1))],
};

type Approximation = 'none' | 'tanh';

const tanhScale = 2 * Math.sqrt(2 / Math.PI);
const tanhCubic = 0.044715;

/** The normal distribution function Φ(x). */
const normalCdf = (x: Value): Value => add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);

/** 2√(2/π) (x + 0.044715 x³), given x and x². */
const tanhArgument = (x: Value, xSquared: Value): Value =>
  mul(x, add(mul(xSquared, tanhCubic * tanhScale), tanhScale));

/**
 * x · Φ(x) (Hendrycks and Gimpel 2016). The tanh approximation is written as x · sigmoid(u) with
 * u = 2√(2/π) (x + 0.044715 x³).
 */
const Gelu: Op<{ readonly approximate: Approximation }> = {
  name: 'Gelu',
  elementwise: true,
  cost: functionCost(1),
  castPolicy: 'float32',
  infer,
  backward: (g, { inputs: [x], output, attrs: { approximate } }) => {
    const xSquared = square(x!);
    if (approximate === 'none') {
      const cdf = normalCdf(x!);
      const density = mul(exp(mul(xSquared, -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [mul(g, add(cdf, mul(x!, density)))];
    }
    const slope = add(mul(xSquared, 3 * tanhCubic * tanhScale), tanhScale);
    const gate = sigmoid(tanhArgument(x!, xSquared));
    return [mul(g, mul(gate, add(mul(sub(x!, output), slope), 1)))];
  },
  lower: ([x], { approximate }) => {
    const gate = approximate === 'none' ? normalCdf(x!) : sigmoid(tanhArgument(x!, square(x!)));
    return [mul(x!, gate)];
  },
};

export const activationOps = { Silu, Gelu };

const noAttrs: Attrs = {};
export const silu = (x: Value): Value => emitOne(Silu, [x], noAttrs);
export const gelu = (x: Value, approximate: Approximation): Value => emitOne(Gelu, [x], { approximate });
