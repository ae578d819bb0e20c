/** @file The label, description and colour of each axis. */
import { axes } from '../../../src-main/tensor/layout.ts';

export interface AxisStyle {
  readonly label: string;
  readonly description: string;
  /** A CSS value. */
  readonly colour: string;
}

const labels: Readonly<Record<string, string>> = {
  kv_heads: 'KV heads',
  group: 'query heads per KV head',
  head_dim: 'head dim',
  gate_up: 'gate, up',
  shared_ffn: 'shared ffn',
};

/** The style of an axis, or of `layers`. */
export function axisStyle(axis: string): AxisStyle {
  const description = axis === 'layers' ? 'transformer blocks' : (axes[axis as keyof typeof axes] ?? axis);
  return { label: labels[axis] ?? axis, description, colour: `var(--axis-${axis}, var(--quiet))` };
}
