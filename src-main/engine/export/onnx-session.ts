/** @file Runs an exported ONNX decoder: each run reads tokens and the KV cache of the run before. */
import { optimumNames } from '../../model/decode-programs.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';

export interface OnnxReader {
  /** Reads more tokens. Returns their logits [tokens, vocab]. */
  read(tokens: readonly number[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Opens the file at `path`. `past` has heads and head size of each cache tensor, by the name of its input. */
export async function openOnnxReader(
  device: Device,
  path: string,
  past: Readonly<Record<string, { readonly heads: number; readonly width: number }>>,
): Promise<OnnxReader> {
  const session = await device.openSession(path, { memoryPattern: false });
  const pastNames = Object.keys(past);
  const presentName = (name: string): string => name.replace('past_key_values', 'present');
  const fetches = {
    [optimumNames.logits]: 'host' as const,
    ...Object.fromEntries(pastNames.map((name) => [presentName(name), 'host' as const])),
  };
  let cache = new Map(
    Object.entries(past).map(([name, { heads, width }]) => [
      name,
      DeviceTensor.allocate('float32', [1, heads, 0, width]),
    ]),
  );
  let cachedTokens = 0;
  return {
    async read(tokens) {
      const int64 = (values: readonly number[]): DeviceTensor =>
        DeviceTensor.fromArray(BigInt64Array.from(values, BigInt), 'int64', [1, values.length]);
      const inputs = {
        [optimumNames.tokens]: int64(tokens),
        [optimumNames.mask]: int64(Array<number>(cachedTokens + tokens.length).fill(1)),
        [optimumNames.positions]: int64(tokens.map((_, i) => cachedTokens + i)),
      };
      try {
        const outputs = await session.run({ ...inputs, ...Object.fromEntries(cache) }, fetches);
        for (const tensor of cache.values()) tensor.dispose();
        cache = new Map(pastNames.map((name) => [name, outputs.get(presentName(name))!]));
        cachedTokens += tokens.length;
        const logits = outputs.get(optimumNames.logits)!;
        try {
          return logits.values('float32');
        } finally {
          logits.dispose();
        }
      } finally {
        for (const tensor of Object.values(inputs)) tensor.dispose();
      }
    },
    async dispose() {
      for (const tensor of cache.values()) tensor.dispose();
      await session.dispose();
    },
  };
}
