/** @file Activation functions, by the names that config.json uses for them. */
import { refuse } from '../base/errors.ts';
import { gelu, mul, relu, silu, square, tanh, type Value } from '../graph/ops/build.ts';
import { mapValue, type NamedValue } from './named-value.ts';

/** As in transformers' activations.py. */
export const activations: Readonly<Record<string, (x: Value) => Value>> = {
  silu,
  swish: silu,
  relu,
  relu2: (x) => square(relu(x)),
  tanh,
  gelu: (x) => gelu(x, 'none'),
  gelu_new: (x) => gelu(x, 'tanh'),
  gelu_fast: (x) => gelu(x, 'tanh'),
  gelu_pytorch_tanh: (x) => gelu(x, 'tanh'),
};

export function activate(x: NamedValue, name: string): NamedValue {
  const activation = activations[name];
  if (!activation)
    return refuse('checkpoint/unsupported', {
      what: `activation "${name}"`,
      why: `the known ones are ${Object.keys(activations).join(', ')}`,
    });
  return mapValue(activation, x);
}

/** cap * tanh(x / cap): close to x where |x| is small, and never beyond ±cap. */
export const softcap = (x: Value, cap: number): Value => mul(tanh(mul(x, 1 / cap)), cap);
