/**
 * @file The golden checkpoints (tests/parity/make-golden.py) with their weights widened to float32; a reader
 * of its own, so that the store layer is not what is tested here.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { widen, type WeightDType } from '../../src-main/tensor/dtype.ts';
import type { JsonObject } from '../../src-main/base/json.ts';

export const fixtures = join(import.meta.dirname, '../fixtures');
export const goldenCases: readonly string[] = readdirSync(join(fixtures, 'golden'));

export interface Golden {
  readonly config: JsonObject;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly ids: readonly (readonly number[])[];
  readonly logits: readonly number[];
  readonly loss: number;
  /** How uneven the routers of a mixture of experts are on all tokens but the last of each row. */
  readonly balance?: number;
}

const kinds: Readonly<Record<string, WeightDType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

export function golden(name: string): Golden {
  const dir = join(fixtures, 'golden', name);
  const weights = new Map<string, Float32Array>();
  for (const file of readdirSync(dir).filter((f) => f.endsWith('.safetensors'))) {
    const bytes = readFileSync(join(dir, file));
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
      string,
      { dtype: string; data_offsets: [number, number] }
    >;
    for (const [tensor, { dtype, data_offsets: [from, to] = [0, 0] }] of Object.entries(header)) {
      if (!kinds[dtype]) continue;
      weights.set(
        tensor.replace(/^(transformer|gpt_neox|model\.decoder)\./, ''),
        widen(new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to)), kinds[dtype]).slice(),
      );
    }
  }
  const json = (file: string): unknown => JSON.parse(readFileSync(join(dir, file), 'utf8'));
  return {
    config: json('config.json') as JsonObject,
    weights,
    ...(json('expected.json') as Omit<Golden, 'config' | 'weights'>),
  };
}
