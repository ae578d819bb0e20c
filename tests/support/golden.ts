/**
 * @file Golden checkpoints: tiny random models with the logits that transformers computes for them, written by
 * tests/parity/make-golden.py. This file parses safetensors itself, so tests do not depend on the store layer.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src-main/base/json.ts';
import { upcast, type WeightDType } from '../../src-main/tensor/dtype.ts';

export const fixtures = join(import.meta.dirname, '../fixtures');
export const goldenCases: readonly string[] = readdirSync(join(fixtures, 'golden'));

/** What transformers computed: expected.json of a golden checkpoint. */
interface Expected {
  /** Token ids, [batch, seq]. */
  readonly ids: readonly (readonly number[])[];
  /** [batch, seq, vocab], row-major. */
  readonly logits: readonly number[];
  /** Mean next-token loss in nats. */
  readonly loss: number;
  /** Load-balancing loss of a mixture of experts, over all tokens but the last of each row. */
  readonly aux_loss?: number;
}

export interface Golden extends Expected {
  readonly config: JsonObject;
  /** Names without prefix, values in float32. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

const dtypes: Readonly<Record<string, WeightDType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

export function loadGolden(name: string): Golden {
  const dir = join(fixtures, 'golden', name);
  const shards = readdirSync(dir).filter((file) => file.endsWith('.safetensors'));
  const readJson = (file: string): unknown => JSON.parse(readFileSync(join(dir, file), 'utf8'));
  return {
    config: readJson('config.json') as JsonObject,
    weights: new Map(shards.flatMap((file) => readShard(join(dir, file)))),
    ...(readJson('expected.json') as Expected),
  };
}

function readShard(path: string): (readonly [string, Float32Array])[] {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  return Object.entries(header).flatMap(([name, { dtype, data_offsets: offsets }]) => {
    const weightDType = dtypes[dtype];
    if (!weightDType) return [];
    const plainName = name.replace(/^(transformer|gpt_neox|model\.decoder)\./, '');
    const stored = new Uint8Array(bytes.subarray(start + offsets[0], start + offsets[1]));
    return [[plainName, upcast(stored, weightDType).slice()] as const];
  });
}
