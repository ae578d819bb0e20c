/**
 * @file Decodes with a KV cache that stays on the device: the prompt is read once, then one token at a time.
 */
import { decodeStepProgram, pastNameOf, prefillProgram } from '../../model/decode-programs.ts';
import { weightValues } from '../../train/step.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import type { Session } from '../ort/session.ts';
import { compile, selectFeeds } from '../model/programs.ts';
import type { LoadedModel } from '../model/weights.ts';

/** Decodes one text, or several of the same length at once, of at most `capacity` tokens. */
export interface Decoder {
  readonly capacity: number;
  /** Reads texts into the empty cache. Returns the logits [texts × vocab] after their last tokens. */
  prefill(texts: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Reads one more token of each text, at `position`. Returns the logits [texts × vocab] after it. */
  decode(tokens: readonly number[], position: number): Promise<Float32Array>;
  dispose(): Promise<void>;
}

type Cache = Map<string, DeviceTensor>;

function disposeCache(cache: Cache): void {
  for (const tensor of cache.values()) tensor.dispose();
  cache.clear();
}

/** Takes the logits out of the outputs of a run. */
function takeLogits(outputs: ReadonlyMap<string, DeviceTensor>): Float32Array {
  const logits = outputs.get('logits')!;
  try {
    return logits.values('float32');
  } finally {
    logits.dispose();
  }
}

/**
 * Opens a decoder of `batch` texts with room for `capacity` tokens each. The cache exists twice on the device: a
 * step reads one copy and writes the other, then they are swapped.
 */
export async function openDecoder(
  device: Device,
  loaded: LoadedModel,
  capacity: number,
  batch = 1,
): Promise<Decoder> {
  const model = { ...loaded.model, weights: weightValues(loaded.model) };
  const prefillSession = await compile(device, prefillProgram(model, capacity, batch));
  let stepSession: Session | undefined;
  const cacheNames = prefillSession.outputs.filter((name) => name !== 'logits');
  const textIds = new Int32Array(batch * capacity);
  const tokenIds = new Int32Array(batch);
  const positionId = new Int32Array(1);
  const textTensor = DeviceTensor.fromArray(textIds, 'int32', [batch, capacity]);
  const tokenTensor = DeviceTensor.fromArray(tokenIds, 'int32', [batch, 1]);
  const positionTensor = DeviceTensor.fromArray(positionId, 'int32', [1]);
  let cache: Cache = new Map();
  let spare: Cache = new Map();
  return {
    capacity,
    async prefill(texts) {
      textIds.fill(0);
      for (const [i, text] of texts.entries()) textIds.set(text, i * capacity);
      positionId[0] = texts[0]!.length - 1;
      disposeCache(cache);
      const outputs = await prefillSession.run(
        { ...selectFeeds(prefillSession, loaded.tensors), tokens: textTensor, at: positionTensor },
        { logits: 'host', ...Object.fromEntries(cacheNames.map((name) => [name, 'device' as const])) },
      );
      cache = new Map(cacheNames.map((name) => [name, outputs.get(name)!]));
      return takeLogits(outputs);
    },
    async decode(tokens, position) {
      stepSession ??= await compile(device, decodeStepProgram(model, capacity, batch));
      if (spare.size === 0)
        for (const [name, tensor] of cache) spare.set(name, await device.zeros('float32', tensor.shape));
      tokenIds.set(tokens);
      positionId[0] = position;
      const past = Object.fromEntries([...cache].map(([name, tensor]) => [pastNameOf(name), tensor]));
      const outputs = await stepSession.run(
        { ...selectFeeds(stepSession, loaded.tensors), ...past, tokens: tokenTensor, at: positionTensor },
        { logits: 'host', ...Object.fromEntries(spare) },
      );
      const read = cache;
      cache = spare;
      spare = read;
      return takeLogits(outputs);
    },
    async dispose() {
      disposeCache(cache);
      disposeCache(spare);
      for (const tensor of [textTensor, tokenTensor, positionTensor]) tensor.dispose();
      await prefillSession.dispose();
      await stepSession?.dispose();
    },
  };
}
