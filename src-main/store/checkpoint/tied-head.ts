/**
 * @file The head of a model whose config.json ties it to the token embedding, where a file holds both or only
 * the head. Follows `tie_weights` in modeling_utils.py of transformers 5.24.
 */
import { toText, type JsonObject } from '../../base/json.ts';
import type { ModelFamily } from '../../model/family.ts';
import {
  byteLengthOf,
  downcast,
  isWeightDType,
  parseSafetensorsDType,
  upcast,
  type WeightDType,
} from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import type { StoredTensor } from './shards.ts';

/** Reads bytes of a stored tensor, from its byte `offset` on. */
export type ReadRange = (tensor: StoredTensor, offset: number, length: number) => Promise<Uint8Array>;

/** How two tensors are compared. */
export interface Comparison {
  readonly read: ReadRange;
  /** The most elements to compare. A repository of the Hub is compared again when it has been downloaded. */
  readonly maxElements?: number;
}

const blockElements = 1 << 20;

const weightDTypeOf = (tensor: StoredTensor): WeightDType | undefined => {
  const dtype = parseSafetensorsDType(tensor.dtype);
  return dtype !== undefined && isWeightDType(dtype) ? dtype : undefined;
};

/**
 * Whether two tensors have equal values when they are loaded as `dtype`. Compares in blocks, so that memory
 * stays constant.
 */
async function haveEqualValues(
  a: StoredTensor,
  b: StoredTensor,
  dtype: WeightDType,
  { read, maxElements = Infinity }: Comparison,
): Promise<boolean> {
  const types = [weightDTypeOf(a), weightDTypeOf(b)] as const;
  if (types[0] === undefined || types[1] === undefined || a.shape.join() !== b.shape.join()) return false;
  const isSameType = types[0] === types[1];
  const readBlock = async (
    tensor: StoredTensor,
    type: WeightDType,
    first: number,
    count: number,
  ): Promise<Uint8Array> => {
    const bytes = await read(tensor, byteLengthOf(type, first), byteLengthOf(type, count));
    return isSameType && (type === dtype || dtype === 'float32')
      ? bytes
      : downcast(upcast(bytes, type), dtype);
  };
  const total = Math.min(countElements(a.shape), maxElements);
  for (let first = 0; first < total; first += blockElements) {
    const count = Math.min(blockElements, total - first);
    const [left, right] = await Promise.all([
      readBlock(a, types[0], first, count),
      readBlock(b, types[1], first, count),
    ]);
    if (!Buffer.from(left.buffer, left.byteOffset, left.byteLength).equals(right)) return false;
  }
  return true;
}

/** The dtype that transformers loads the model in: that of config.json, or of the first weight. */
export function findLoadedDType(config: JsonObject, tensors: ReadonlyMap<string, StoredTensor>): WeightDType {
  const named = toText(config['dtype'] ?? config['torch_dtype'] ?? '');
  if (isWeightDType(named)) return named;
  for (const tensor of tensors.values()) {
    const dtype = weightDTypeOf(tensor);
    if (dtype !== undefined) return dtype;
  }
  return 'float32';
}

export interface TiedHead {
  /** With `tie_word_embeddings` false where the two weights differ. */
  readonly config: JsonObject;
  /** Without the stored copy of the head, or with the head as the embedding. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly notes: readonly string[];
}

/**
 * Resolves a tied head that is stored. Equal values: the copy is left out. Different values: the head is not
 * tied. Only the head is stored: it is the embedding too. `tensors` are keyed by the family's names.
 */
export async function resolveTiedHead(
  { head: { weight, tiedTo }, settings }: ModelFamily,
  config: JsonObject,
  tensors: ReadonlyMap<string, StoredTensor>,
  comparison: Comparison,
): Promise<TiedHead> {
  const head = tensors.get(weight);
  const embedding = tensors.get(tiedTo);
  const isTied = settings['tied']!.read(config) === true;
  if (!isTied || !head) return { config, tensors, notes: [] };
  const others = [...tensors].filter(([name]) => name !== weight);
  if (!embedding)
    return {
      config,
      tensors: new Map([[tiedTo, head], ...others]),
      notes: [`${head.name} is used as ${tiedTo} too, because the two are tied and only it is stored`],
    };
  if (await haveEqualValues(head, embedding, findLoadedDType(config, tensors), comparison)) {
    const sameType = head.dtype === embedding.dtype;
    const rounded = `${head.name} is ${head.dtype} and ${embedding.name} ${embedding.dtype}, with equal values`;
    return {
      config,
      tensors: new Map(others),
      notes: sameType ? [] : [`${rounded}; the head is tied, as in transformers`],
    };
  }
  const key = settings['tied']!.keys[0]!;
  const differs = `${head.name} differs from ${embedding.name}`;
  return {
    config: { ...config, [key]: false },
    tensors,
    notes: [`${differs}: the head is not tied, as in transformers, although ${key} is true`],
  };
}
