/**
 * @file A model that goes on with a text on a device: the prompt is read once, then each token beside the
 * keys and values of those before it, which stay there.
 */
import { nextProgram, pastOf, promptProgram } from '../../model/decoding.ts';
import { weightValues } from '../../train/step.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import type { Session } from '../ort/session.ts';
import { compile, feedsOf } from '../model/programs.ts';
import type { Loaded } from '../model/weights.ts';

/** Goes on with a text of at most `room` tokens. */
export interface Decoder {
  readonly room: number;
  /** Logits [vocab] after this text, of which all is kept. */
  begin(text: readonly number[]): Promise<Float32Array>;
  /** Logits [vocab] after one more token, which stands at position `at`. */
  next(token: number, at: number): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * What is kept lies on the device twice: what was, and what is written beside it; they change places with
 * every token.
 */
export async function openDecoder(device: Device, loaded: Loaded, room: number): Promise<Decoder> {
  const model = { ...loaded.model, weights: weightValues(loaded.model) };
  const prompt = await compile(device, promptProgram(model, room));
  const kept = prompt.outputs.filter((name) => name !== 'logits');
  const text = new Int32Array(room);
  const token = new Int32Array(1);
  const at = new Int32Array(1);
  const fed = {
    text: DeviceTensor.over(text, 'int32', [1, room]),
    token: DeviceTensor.over(token, 'int32', [1, 1]),
    at: DeviceTensor.over(at, 'int32', [1]),
  };
  let one: Session | undefined;
  let now = new Map<string, DeviceTensor>();
  let spare = new Map<string, DeviceTensor>();
  const logitsOf = (results: Map<string, DeviceTensor>): Float32Array => {
    const answer = results.get('logits')!;
    try {
      return answer.values('float32');
    } finally {
      answer.dispose();
    }
  };
  const drop = (tensors: Map<string, DeviceTensor>): void => {
    for (const t of tensors.values()) t.dispose();
    tensors.clear();
  };
  return {
    room,
    async begin(tokens) {
      text.fill(0);
      text.set(tokens);
      at[0] = tokens.length - 1;
      drop(now);
      const results = await prompt.run(
        { ...feedsOf(prompt, loaded.tensors), tokens: fed.text, at: fed.at },
        { logits: 'host', ...Object.fromEntries(kept.map((name) => [name, 'device' as const])) },
      );
      now = new Map(kept.map((name) => [name, results.get(name)!]));
      return logitsOf(results);
    },
    async next(id, position) {
      one ??= await compile(device, nextProgram(model, room));
      if (spare.size === 0)
        for (const [name, t] of now) spare.set(name, await device.zeros('float32', t.shape));
      token[0] = id;
      at[0] = position;
      const past = Object.fromEntries([...now].map(([name, t]) => [pastOf(name), t]));
      const results = await one.run(
        { ...feedsOf(one, loaded.tensors), ...past, tokens: fed.token, at: fed.at },
        { logits: 'host', ...Object.fromEntries(spare) },
      );
      [now, spare] = [spare, now];
      return logitsOf(results);
    },
    async dispose() {
      drop(now);
      drop(spare);
      for (const t of Object.values(fed)) t.dispose();
      await prompt.dispose();
      await one?.dispose();
    },
  };
}
