/** @file Gated and Gaussian activations as rows of their own: fused kernels forward, few passes backward. */
import { emitOne, type Attrs, type Op, type Value } from '../graph.ts';
import { add, erf, exp, mul, sigmoid, square, sub } from './elementwise.ts';
import { isFloat } from '../shapes.ts';

const infer: Op['infer'] = ([x]) => (isFloat(x!) ? [x!] : 'not a float');

/** x · sigmoid(x) (Elfwing et al. 2018); its slope is s · (1 + x - out). */
export const Silu: Op = {
  name: 'Silu',
  elementwise: true,
  infer,
  grad: (g, { in: [x], out }) => [mul(g, mul(sigmoid(x!), add(sub(x!, out), 1)))],
  onnx: () => ({ op: 'QuickGelu', domain: 'com.microsoft', attrs: { alpha: { float: 1 } } }),
  lower: ([x]) => [mul(x!, sigmoid(x!))],
};

const slope = 2 * Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/**
 * x · Φ(x) (Hendrycks and Gimpel 2016), or with its tanh form, which is x · sigmoid(2√(2/π)(x + 0.044715
 * x³)).
 */
export const Gelu: Op<{ readonly approximate: 'none' | 'tanh' }> = {
  name: 'Gelu',
  elementwise: true,
  infer,
  grad: (g, { in: [x], out, attrs: { approximate } }) => {
    const xx = square(x!);
    if (approximate === 'none')
      return [mul(g, add(bell(x!), mul(x!, mul(exp(mul(xx, -0.5)), 1 / Math.sqrt(2 * Math.PI)))))];
    const climb = add(mul(xx, 3 * cubic * slope), slope);
    return [mul(g, mul(sigmoid(tanhInside(x!, xx)), add(mul(sub(x!, out), climb), 1)))];
  },
  lower: ([x], { approximate }) => [
    mul(x!, approximate === 'none' ? bell(x!) : sigmoid(tanhInside(x!, square(x!)))),
  ],
};

/** Φ, the normal distribution function. */
const bell = (x: Value): Value => add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);
const tanhInside = (x: Value, xx: Value): Value => mul(x, add(mul(xx, cubic * slope), slope));

const none: Attrs = {};
export const silu = (x: Value): Value => emitOne(Silu, [x], none);
export const gelu = (x: Value, approximate: 'none' | 'tanh'): Value => emitOne(Gelu, [x], { approximate });
