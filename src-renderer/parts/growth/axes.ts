/** @file One colour and one short label per axis, in the whole app. */
import { axes } from '../../../src-main/tensor/layout.ts';

export interface AxisLook {
  readonly label: string;
  readonly what: string;
  readonly colour: string;
}

const labels: Readonly<Record<string, string>> = {
  kv_heads: 'kv heads',
  head_dim: 'head dim',
  gate_up: 'gate, up',
  shared_ffn: 'shared ffn',
};

/** How an axis (or `layers`) is called and coloured; `colour` is a CSS value. */
export function axisLook(axis: string): AxisLook {
  const what = axis === 'layers' ? 'blocks on top of each other' : (axes[axis as keyof typeof axes] ?? axis);
  return { label: labels[axis] ?? axis, what, colour: `var(--axis-${axis}, var(--quiet))` };
}
