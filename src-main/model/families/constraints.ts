/** @file Constraints on sizes that several families share. */
import type { Constraint } from '../family.ts';

/** For families that derive head_dim from hidden. */
export const wholeHeads: Constraint = {
  axis: 'hidden',
  why: 'the width of a head is hidden / heads',
  holds: ({ hidden, heads, kv_heads, group }) => hidden! % (heads ?? kv_heads! * group!) === 0,
};
