/** @file Constraints on sizes that several families share. */
import type { Constraint } from '../family.ts';

/** For families that derive head_dim from hidden. */
export const wholeHeads: Constraint = {
  axis: 'hidden',
  why: 'the width of a head is hidden / heads',
  holds: ({ hidden, heads, kv_heads, group }) => hidden! % (heads ?? kv_heads! * group!) === 0,
};

/** The reason why the heads of a model with ALiBi cannot grow. */
export const frozenSlopes = 'each head has a fixed ALiBi slope, which depends on their number';
