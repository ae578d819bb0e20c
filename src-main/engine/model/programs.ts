/**
 * @file A model's programs as sessions: a graph simplified, written as ONNX and opened on the device that
 * holds the weights.
 */
import { graphOf, type Graph } from '../../graph/graph.ts';
import { onnxModel } from '../../graph/onnx.ts';
import { asymmetry, type Copies } from '../../growth/asymmetry.ts';
import { inPrecision, type Precision } from '../../train/precision.ts';
import { logitsProgram, lossProgram, weightValues, type BatchShape } from '../../train/step.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Session, SessionOptions } from '../ort/session.ts';
import type { Loaded } from './weights.ts';

/**
 * Opens a graph on a device, in a precision. Without a memory pattern: that would be one block as large as a
 * run, beside what the first run took.
 */
export const compile = (
  device: Device,
  graph: Graph,
  { precision = 'float32', ...options }: SessionOptions & { readonly precision?: Precision } = {},
): Promise<Session> =>
  device.session(onnxModel(inPrecision(graph, device.kind, precision), { provider: device.kind }), {
    memoryPattern: false,
    ...options,
  });

/** The inputs of `session` that `tensors` hold. */
export const feedsOf = (
  session: Session,
  tensors: ReadonlyMap<string, DeviceTensor>,
): Record<string, DeviceTensor> =>
  Object.fromEntries(
    session.inputs.filter((name) => tensors.has(name)).map((name) => [name, tensors.get(name)!]),
  );

/** A program that reads tokens and answers with one host tensor of float32. */
async function reading(
  device: Device,
  loaded: Loaded,
  graph: Graph,
  output: string,
): Promise<{
  run(tokens: Int32Array, documents?: Int32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}> {
  const session = await compile(device, graph);
  const shape = graph.inputs.find((v) => v.name === 'tokens')!.shape;
  return {
    async run(tokens, documents) {
      const fed: Record<string, DeviceTensor> = {
        tokens: DeviceTensor.over(tokens, 'int32', shape),
        ...(documents
          ? { documents: DeviceTensor.over(documents, 'int32', [shape[0]!, shape[1]! - 1]) }
          : {}),
      };
      try {
        const answer = (
          await session.run({ ...feedsOf(session, loaded.tensors), ...fed }, { [output]: 'host' })
        ).get(output)!;
        try {
          return answer.values('float32');
        } finally {
          answer.dispose();
        }
      } finally {
        for (const tensor of Object.values(fed)) tensor.dispose();
      }
    },
    dispose: () => session.dispose(),
  };
}

/** Reads the mean next-token loss, in nats, of windows of sequence + 1 tokens. */
export interface LossMeter {
  /** `documents`: of each window, where the program keeps them apart. */
  mean(windows: readonly Int32Array[], documents?: readonly Int32Array[]): Promise<number>;
  /** The loss of each token of each window. */
  each(windows: readonly Int32Array[]): Promise<readonly Float32Array[]>;
  dispose(): Promise<void>;
}

/** A loss meter that reads `batch` windows at once. */
export async function lossMeter(
  device: Device,
  loaded: Loaded,
  { batch, sequence, documents: kept = 'joined' }: BatchShape,
): Promise<LossMeter> {
  const reader = await reading(
    device,
    loaded,
    lossProgram(loaded.model, { batch, sequence, documents: kept }),
    'losses',
  );
  const tokens = new Int32Array(batch * (sequence + 1));
  const numbers = new Int32Array(batch * sequence);
  /** Losses [windows × sequence] of at most `batch` windows. */
  const read = async (
    some: readonly Int32Array[],
    documents: readonly Int32Array[] = [],
  ): Promise<Float32Array> => {
    documents.forEach((of, i) => {
      numbers.set(of, i * sequence);
    });
    some.forEach((window, i) => {
      tokens.set(window, i * (sequence + 1));
    });
    return (await reader.run(tokens, kept === 'apart' ? numbers : undefined)).subarray(
      0,
      some.length * sequence,
    );
  };
  const parts = (windows: readonly Int32Array[]): (readonly Int32Array[])[] =>
    Array.from({ length: Math.ceil(windows.length / batch) }, (_, i) =>
      windows.slice(i * batch, (i + 1) * batch),
    );
  return {
    async mean(windows, documents = []) {
      let sum = 0;
      for (const [i, some] of parts(windows).entries())
        sum += (await read(some, documents.slice(i * batch, (i + 1) * batch))).reduce((a, b) => a + b, 0);
      return sum / (windows.length * sequence);
    },
    async each(windows) {
      const all: Float32Array[] = [];
      for (const some of parts(windows)) {
        const losses = await read(some);
        all.push(...some.map((_, i) => losses.slice(i * sequence, (i + 1) * sequence)));
      }
      return all;
    },
    dispose: () => reader.dispose(),
  };
}

/** Logits [batch × sequence, vocab] of tokens [batch, sequence]. */
export const logitsReader = (device: Device, loaded: Loaded, batch: number, sequence: number) =>
  reading(device, loaded, logitsProgram(loaded.model, { batch, sequence }), 'logits');

/** How far the copies of a grown model's weights lie apart. */
export async function asymmetryOf(
  device: Device,
  loaded: Loaded,
  copies: readonly Copies[],
): Promise<number> {
  const session = await compile(
    device,
    graphOf({ asymmetry: asymmetry(copies, weightValues(loaded.model)) }),
  );
  try {
    const answer = (await session.run(feedsOf(session, loaded.tensors), { asymmetry: 'host' })).get(
      'asymmetry',
    )!;
    try {
      return answer.values('float32')[0]!;
    } finally {
      answer.dispose();
    }
  } finally {
    await session.dispose();
  }
}
