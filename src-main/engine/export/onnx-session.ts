/**
 * @file An exported ONNX decoder, run as anyone would run it: tokens after kept ones, the cache handed from
 * run to run.
 */
import { decoderNames } from '../../model/decoding.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';

export interface OnnxReader {
  /** Logits [tokens, vocab] of these tokens after all that were read before them. */
  read(tokens: readonly number[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Opens the file at `path`; `past` says what each layer keeps, by the name of its input. */
export async function openOnnx(
  device: Device,
  path: string,
  past: Readonly<Record<string, { readonly heads: number; readonly width: number }>>,
): Promise<OnnxReader> {
  const session = await device.session(path, { memoryPattern: false });
  const names = Object.keys(past);
  const presentOf = (name: string): string => name.replace('past_key_values', 'present');
  let kept = new Map(
    names.map((name) => [name, DeviceTensor.host('float32', [1, past[name]!.heads, 0, past[name]!.width])]),
  );
  let seen = 0;
  return {
    async read(tokens) {
      const whole = (values: readonly number[]): DeviceTensor =>
        DeviceTensor.over(BigInt64Array.from(values, BigInt), 'int64', [1, values.length]);
      const fed = {
        [decoderNames.tokens]: whole(tokens),
        [decoderNames.mask]: whole(Array<number>(seen + tokens.length).fill(1)),
        [decoderNames.positions]: whole(tokens.map((_, i) => seen + i)),
      };
      try {
        const results = await session.run(
          { ...fed, ...Object.fromEntries(kept) },
          {
            [decoderNames.logits]: 'host',
            ...Object.fromEntries(names.map((name) => [presentOf(name), 'host' as const])),
          },
        );
        for (const t of kept.values()) t.dispose();
        kept = new Map(names.map((name) => [name, results.get(presentOf(name))!]));
        seen += tokens.length;
        const logits = results.get(decoderNames.logits)!;
        try {
          return logits.values('float32');
        } finally {
          logits.dispose();
        }
      } finally {
        for (const t of Object.values(fed)) t.dispose();
      }
    },
    async dispose() {
      for (const t of kept.values()) t.dispose();
      await session.dispose();
    },
  };
}
