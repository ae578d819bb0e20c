/** @file The metadata values of a GGUF file, and the element types of its tensors. */
import { q80Bytes, q80Values } from '../../tensor/q8-0.ts';

/** A value with its type in the file. */
export type GgufValue =
  | { readonly type: 'uint32' | 'int32' | 'float32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly of: 'string'; readonly values: readonly string[] }
  | { readonly type: 'array'; readonly of: 'int32' | 'float32'; readonly values: readonly number[] };

export type GgufEntries = readonly (readonly [key: string, value: GgufValue])[];

export const uint32 = (value: number): GgufValue => ({ type: 'uint32', value });
export const float32 = (value: number): GgufValue => ({ type: 'float32', value });
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
export const string = (value: string): GgufValue => ({ type: 'string', value });
export const strings = (values: readonly string[]): GgufValue => ({ type: 'array', of: 'string', values });
export const int32s = (values: readonly number[]): GgufValue => ({ type: 'array', of: 'int32', values });
export const float32s = (values: readonly number[]): GgufValue => ({ type: 'array', of: 'float32', values });

interface GgufTypeFacts {
  /** `enum ggml_type` of ggml.h. */
  readonly ggml: number;
  /** `enum llama_ftype` of llama.h: the type of most weights of a file. */
  readonly fileType: number;
  /** Values and bytes of a block. */
  readonly values: number;
  readonly bytes: number;
}

/** The types that Cambium writes, by the names of llama.cpp's converter. */
// Aligned columns are easier to compare.
// prettier-ignore
export const ggufTypes = {
  f32:  { ggml: 0,  fileType: 0,  values: 1,         bytes: 4 },
  f16:  { ggml: 1,  fileType: 1,  values: 1,         bytes: 2 },
  bf16: { ggml: 30, fileType: 32, values: 1,         bytes: 2 },
  q8_0: { ggml: 8,  fileType: 7,  values: q80Values, bytes: q80Bytes },
} as const satisfies Readonly<Record<string, GgufTypeFacts>>;
export type GgufType = keyof typeof ggufTypes;
export const ggufTypeNames = Object.keys(ggufTypes) as readonly GgufType[];

/** Tensors start at multiples of this many bytes (`GGUF_DEFAULT_ALIGNMENT`). */
export const ggufAlignment = 32;

/** Bytes of `count` values, which fill whole blocks. */
export const countGgufBytes = (type: GgufType, count: number): number =>
  (count / ggufTypes[type].values) * ggufTypes[type].bytes;
