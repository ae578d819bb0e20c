/** @file A model's programs as sessions: a graph simplified, written as ONNX and opened on the device that holds the weights. */
import type { Graph } from '../graph/graph.ts';
import { onnxModel } from '../graph/onnx.ts';
import { simplify } from '../graph/simplify.ts';
import { logitsProgram, lossProgram, nextProgram } from '../train/step.ts';
import type { Device } from './ort/device.ts';
import { DeviceTensor } from './ort/device-tensor.ts';
import type { Session } from './ort/session.ts';
import type { Loaded } from './weights.ts';

/** Opens a graph on a device. */
export const compile = (device: Device, graph: Graph): Promise<Session> => device.session(onnxModel(simplify(graph), { provider: device.kind }));

/** The inputs of `session` that `tensors` hold. */
export const feedsOf = (session: Session, tensors: ReadonlyMap<string, DeviceTensor>): Record<string, DeviceTensor> =>
  Object.fromEntries(session.inputs.filter((name) => tensors.has(name)).map((name) => [name, tensors.get(name)!]));

/** A program that reads tokens and answers with one host tensor of float32. */
async function reading(device: Device, loaded: Loaded, graph: Graph, output: string): Promise<{ run(tokens: Int32Array, more?: Record<string, DeviceTensor>): Promise<Float32Array>; dispose(): Promise<void> }> {
  const session = await compile(device, graph), shape = graph.inputs.find((v) => v.name === 'tokens')!.shape;
  return {
    async run(tokens, more = {}) {
      const fed = DeviceTensor.over(tokens, 'int32', shape);
      const answer = (await session.run({ ...feedsOf(session, loaded.tensors), ...more, tokens: fed }, { [output]: 'host' })).get(output)!;
      fed.dispose();
      try { return answer.values('float32'); } finally { answer.dispose(); }
    },
    dispose: () => session.dispose(),
  };
}

/** Next-token losses in nats of tokens [batch, sequence + 1]. */
export const lossReader = (device: Device, loaded: Loaded, batch: number, sequence: number) => reading(device, loaded, lossProgram(loaded.model, { batch, sequence }), 'losses');

/** Logits [batch × sequence, vocab] of tokens [batch, sequence]. */
export const logitsReader = (device: Device, loaded: Loaded, batch: number, sequence: number) => reading(device, loaded, logitsProgram(loaded.model, { batch, sequence }), 'logits');

/** Logits [vocab] after position `at` of tokens [1, sequence]. */
export async function nextReader(device: Device, loaded: Loaded, sequence: number): Promise<{ run(tokens: Int32Array, at: number): Promise<Float32Array>; dispose(): Promise<void> }> {
  const reader = await reading(device, loaded, nextProgram(loaded.model, sequence), 'logits'), place = new Int32Array(1), fed = DeviceTensor.over(place, 'int32', [1]);
  return {
    run(tokens, at) { place[0] = at; return reader.run(tokens, { at: fed }); },
    async dispose() { fed.dispose(); await reader.dispose(); },
  };
}
