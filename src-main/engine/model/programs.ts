/** @file Opens a model's graphs as sessions on the device that holds its weights. */
import { graphOf, type Graph } from '../../graph/graph.ts';
import { noKernels, type KernelChoice } from '../../graph/kernels.ts';
import { encodeWithKernels } from '../../graph/onnx.ts';
import { buildAsymmetry, type CopiedWeight } from '../../growth/asymmetry.ts';
import { checkPrecision, inPrecision, type Precision } from '../../train/precision.ts';
import type { BatchShape } from '../../train/program-shape.ts';
import { logitsProgram, lossProgram, weightValues } from '../../train/step.ts';
import { prepareKernels } from '../kernels/runtime.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Session, SessionOptions } from '../ort/session.ts';
import type { LoadedModel } from './weights.ts';

interface CompileOptions extends SessionOptions {
  readonly precision?: Precision;
  /** The kernels of our own that the graph may use. Default: none. */
  readonly kernels?: KernelChoice;
}

/**
 * Compiles a graph for a device and a precision. The memory pattern is off, because it would add one block as
 * large as a whole run to the memory that the first run allocated.
 */
export async function compile(
  device: Device,
  graph: Graph,
  { precision = 'float32', kernels = noKernels, ...options }: CompileOptions = {},
): Promise<Session> {
  const program = inPrecision(graph, device.kind, precision, kernels);
  const { model, kernelNodes } = encodeWithKernels(program, { provider: device.kind, kernels });
  const customOps = await prepareKernels(kernelNodes);
  return device.openSession(model, { memoryPattern: false, customOps, ...options });
}

/** Returns those of `tensors` that are inputs of `session`. */
export const selectFeeds = (
  session: Session,
  tensors: ReadonlyMap<string, DeviceTensor>,
): Record<string, DeviceTensor> =>
  Object.fromEntries(
    session.inputs.filter((name) => tensors.has(name)).map((name) => [name, tensors.get(name)!]),
  );

/** Runs a program on tokens. */
interface Reader {
  /** `documents`: [batch, seq] document numbers, for a program with a document mask. */
  run(tokens: Int32Array, documents?: Int32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Opens a program with input `tokens` and the float32 output `output`. */
async function openReader(
  device: Device,
  loaded: LoadedModel,
  graph: Graph,
  output: string,
  precision: Precision = 'float32',
): Promise<Reader> {
  const session = await compile(device, graph, { precision });
  const shape = graph.inputs.find((v) => v.name === 'tokens')!.shape;
  return {
    async run(tokens, documents) {
      const inputs: Record<string, DeviceTensor> = {
        tokens: DeviceTensor.fromArray(tokens, 'int32', shape),
      };
      if (documents)
        inputs['documents'] = DeviceTensor.fromArray(documents, 'int32', [shape[0]!, shape[1]! - 1]);
      try {
        return await fetchFloats(session, { ...selectFeeds(session, loaded.tensors), ...inputs }, output);
      } finally {
        for (const tensor of Object.values(inputs)) tensor.dispose();
      }
    },
    dispose: () => session.dispose(),
  };
}

/** Runs a session and returns the values of one float32 output. */
async function fetchFloats(
  session: Session,
  feeds: Readonly<Record<string, DeviceTensor>>,
  output: string,
): Promise<Float32Array> {
  const outputs = await session.run(feeds, { [output]: 'host' });
  const tensor = outputs.get(output)!;
  try {
    return tensor.values('float32');
  } finally {
    tensor.dispose();
  }
}

/** Computes next-token losses in nats, on windows of context length + 1 tokens. */
export interface LossMeter {
  /** Mean loss. `documents`: document numbers of each window, for a meter with a document mask. */
  meanLoss(windows: readonly Int32Array[], documents?: readonly Int32Array[]): Promise<number>;
  /** Mean loss of each window, with its documents as for `meanLoss`. */
  windowLosses(windows: readonly Int32Array[], documents?: readonly Int32Array[]): Promise<readonly number[]>;
  /** Loss of each token of each window. */
  tokenLosses(windows: readonly Int32Array[]): Promise<readonly Float32Array[]>;
  dispose(): Promise<void>;
}

/** Opens a loss meter that reads `microBatch` windows at once. Throws `run/precision`. */
export async function openLossMeter(
  device: Device,
  loaded: LoadedModel,
  { microBatch, contextLength, documentMask = 'off', precision = 'float32' }: BatchShape,
): Promise<LossMeter> {
  checkPrecision(device.kind, precision);
  const shape = { microBatch, contextLength, documentMask, deviceKind: device.kind, precision };
  const reader = await openReader(device, loaded, lossProgram(loaded.model, shape), 'losses', precision);
  const tokens = new Int32Array(microBatch * (contextLength + 1));
  const documentNumbers = new Int32Array(microBatch * contextLength);
  /** Losses [windows × seq] of at most `microBatch` windows. */
  const readBatch = async (
    windows: readonly Int32Array[],
    documents: readonly Int32Array[] = [],
  ): Promise<Float32Array> => {
    documents.forEach((numbers, i) => {
      documentNumbers.set(numbers, i * contextLength);
    });
    windows.forEach((window, i) => {
      tokens.set(window, i * (contextLength + 1));
    });
    const losses = await reader.run(tokens, documentMask === 'on' ? documentNumbers : undefined);
    return losses.subarray(0, windows.length * contextLength);
  };
  return {
    async meanLoss(windows, documents = []) {
      let sum = 0;
      for (let first = 0; first < windows.length; first += microBatch) {
        const end = first + microBatch;
        const losses = await readBatch(windows.slice(first, end), documents.slice(first, end));
        sum += losses.reduce((a, b) => a + b, 0);
      }
      return sum / (windows.length * contextLength);
    },
    async windowLosses(windows, documents = []) {
      const means: number[] = [];
      for (let first = 0; first < windows.length; first += microBatch) {
        const end = first + microBatch;
        const batch = windows.slice(first, end);
        const losses = await readBatch(batch, documents.slice(first, end));
        for (const i of batch.keys()) {
          const ofWindow = losses.subarray(i * contextLength, (i + 1) * contextLength);
          means.push(ofWindow.reduce((a, b) => a + b, 0) / contextLength);
        }
      }
      return means;
    },
    async tokenLosses(windows) {
      const all: Float32Array[] = [];
      for (let first = 0; first < windows.length; first += microBatch) {
        const batch = windows.slice(first, first + microBatch);
        const losses = await readBatch(batch);
        all.push(...batch.map((_, i) => losses.slice(i * contextLength, (i + 1) * contextLength)));
      }
      return all;
    },
    dispose: () => reader.dispose(),
  };
}

/** Opens a program that returns the logits [batch × seq, vocab] of tokens [batch, seq]. */
export const openLogitsReader = (
  device: Device,
  loaded: LoadedModel,
  microBatch: number,
  contextLength: number,
): Promise<Reader> =>
  openReader(
    device,
    loaded,
    logitsProgram(loaded.model, { microBatch, contextLength, deviceKind: device.kind }),
    'logits',
  );

/** Returns how far the copies among a grown model's weights have moved apart (see growth/asymmetry.ts). */
export async function measureAsymmetry(
  device: Device,
  loaded: LoadedModel,
  copies: readonly CopiedWeight[],
): Promise<number> {
  const graph = graphOf({ asymmetry: buildAsymmetry(copies, weightValues(loaded.model)) });
  const session = await compile(device, graph);
  try {
    const values = await fetchFloats(session, selectFeeds(session, loaded.tensors), 'asymmetry');
    return values[0]!;
  } finally {
    await session.dispose();
  }
}
