/**
 * @file Tensors in files that are no weights: buffers that a model computes, which old files hold. transformers
 * leaves them out too (`_keys_to_ignore_on_load_unexpected` of its classes, and modeling_utils.py).
 */

interface Buffer {
  readonly pattern: RegExp;
  /** Whether the shape is one of the buffer, where a weight could have the same name. */
  readonly hasShape?: (shape: readonly number[]) => boolean;
}

/** A causal mask has rows and columns; a bias has one axis. */
const isMask = (shape: readonly number[]): boolean => shape.length >= 2;

const maskBuffers: readonly Buffer[] = [
  { pattern: /(^|\.)(attn|attention|self_attn|crossattention)\.bias$/, hasShape: isMask },
  { pattern: /(^|\.)(attn|attention|self_attn|crossattention)\.masked_bias$/ },
  { pattern: /(^|\.)causal_mask$/ },
  { pattern: /(^|\.)position_ids$/ },
];
const rotaryBuffers: readonly Buffer[] = [{ pattern: /(^|\.)rotary_emb\.\w+$/ }];

/** Whether a stored tensor is a buffer of a family with or without rotary positions. */
export const isBuffer = (name: string, shape: readonly number[], { rotary }: { rotary: boolean }): boolean =>
  [...maskBuffers, ...(rotary ? rotaryBuffers : [])].some(
    ({ pattern, hasShape }) => pattern.test(name) && (hasShape?.(shape) ?? true),
  );
