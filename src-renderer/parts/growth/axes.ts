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

const descriptions: Readonly<Record<string, string>> = {
  ...axes,
  group: 'group size of grouped-query attention',
  layers: 'transformer blocks',
};

/** The style of an axis, or of `layers`. */
export function axisStyle(axis: string): AxisStyle {
  const label = labels[axis] ?? axis;
  return { label, description: descriptions[axis] ?? axis, colour: `var(--axis-${axis}, var(--quiet))` };
}
