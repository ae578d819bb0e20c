/** @file Reads a GGUF file back and compares it with the model that it was written from. */
import { refuse } from '../../base/errors.ts';
import { deriveKey, uniformAt } from '../../base/random.ts';
import { computeTolerance } from '../../growth/certificate.ts';
import { fromGgufOrder, type GgufPart, type GgufTensor } from '../../model/gguf/tensors.ts';
import type { GgufEntries, GgufType } from '../../model/gguf/values.ts';
import { readGgufHeader, readGgufValues, type GgufHeader } from '../../store/checkpoint/gguf-reader.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { countElements } from '../../tensor/layout.ts';
import { chooseDevice } from '../device/choose.ts';
import type { WeightSource } from '../model/weights.ts';
import { computeLogits } from './logits.ts';

/** Tokens on which the file is compared with the model. */
const comparedTokens = 32;

/**
 * The largest error of a value, relative to the largest value of its tensor: half a step of the type, and for
 * Q8_0 also the rounding of the scale to float16.
 */
const relativeErrors: Readonly<Record<GgufType, number>> = {
  f32: 2 ** -22,
  f16: 2 ** -11,
  bf16: 2 ** -8,
  q8_0: 0.5 / 127 + 2 ** -11,
};

const dtypes = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;

export interface GgufCheck {
  readonly path: string;
  readonly checkpoint: Checkpoint;
  /** The weights of the model in memory. */
  readonly weights: WeightSource;
  readonly entries: GgufEntries;
  readonly tensors: readonly GgufTensor[];
  readonly type: GgufType;
  readonly contextLength: number;
  /** The folder to name in an error. */
  readonly out: string;
  checkCancelled(): void;
}

/**
 * Returns the largest difference of a logit between the model in memory and the model in the file. Throws
 * `export/differs` if a tensor or the logits differ by more than the rounding of their type.
 */
export async function checkGguf(check: GgufCheck): Promise<number> {
  const { path, checkpoint, weights, entries, tensors, out, checkCancelled } = check;
  const refuseFile = (what: string): never => refuse('export/differs', { path: out, what });
  const header = await readGgufHeader(path);
  checkHeader(header, entries, tensors, refuseFile);
  const vocab = checkpoint.dims['vocab']!;
  const key = deriveKey(0, 'gguf');
  const length = Math.min(comparedTokens, check.contextLength);
  const tokens = Array.from({ length }, (_, i) => Math.floor(uniformAt(key, i) * vocab));
  const device = await chooseDevice('cpu');
  try {
    const expected = await computeLogits(device, checkpoint, weights, tokens);
    const stored = createStoredWeights(check, header, refuseFile);
    const actual = await computeLogits(
      device,
      checkpoint,
      (parameter) => {
        checkCancelled();
        return stored(parameter);
      },
      tokens,
    );
    return compareLogits(expected, actual, check.type, refuseFile);
  } finally {
    await device.dispose();
  }
}

function checkHeader(
  header: GgufHeader,
  entries: GgufEntries,
  tensors: readonly GgufTensor[],
  refuseFile: (what: string) => never,
): void {
  for (const [key] of entries) if (!header.metadata.has(key)) refuseFile(`${key} is missing`);
  for (const { name, shape, type } of tensors) {
    const stored = header.tensors.get(name) ?? refuseFile(`the tensor ${name} is missing`);
    if (stored.type !== type || stored.shape.join() !== shape.join()) refuseFile(`${name} has another shape`);
  }
}

/** The weights in the file, each compared with the model's when it is read. */
function createStoredWeights(
  { path, weights, tensors }: GgufCheck,
  header: GgufHeader,
  refuseFile: (what: string) => never,
): WeightSource {
  const places = new Map<
    string,
    { readonly tensor: GgufTensor; readonly part: GgufPart; readonly first: number }
  >();
  for (const tensor of tensors) {
    let first = 0;
    for (const part of 'parts' in tensor.source ? tensor.source.parts : []) {
      if (!places.has(part.parameter.name)) places.set(part.parameter.name, { tensor, part, first });
      first += countElements(part.shape);
    }
  }
  return async (parameter) => {
    const { tensor, part, first } = places.get(parameter.name)!;
    const entry = header.tensors.get(tensor.name)!;
    const stored = await readGgufValues(path, entry, first, countElements(part.shape));
    const values = fromGgufOrder(part, stored);
    const expected = await weights(parameter);
    let largest = 0;
    let difference = 0;
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]! + part.offset));
      difference = Math.max(difference, Math.abs(values[i]! - expected[i]!));
    }
    if (!(difference <= largest * relativeErrors[tensor.type] + 1e-7))
      refuseFile(`the values of ${tensor.name} differ by up to ${difference.toExponential(1)}`);
    return values;
  };
}

/** Rounding to 8 bits changes logits by an amount that depends on the model, so it is only reported. */
function compareLogits(
  expected: Float32Array,
  actual: Float32Array,
  type: GgufType,
  refuseFile: (what: string) => never,
): number {
  let maxLogit = 0;
  let squares = 0;
  for (const [i, reference] of expected.entries()) {
    const difference = Math.abs(actual[i]! - reference);
    maxLogit = Math.max(maxLogit, Number.isNaN(difference) ? Infinity : difference);
    squares += reference * reference;
  }
  const rms = Math.sqrt(squares / expected.length);
  const tolerance = type === 'q8_0' ? Number.MAX_VALUE : computeTolerance([dtypes[type]], rms);
  if (maxLogit <= tolerance) return maxLogit;
  return refuseFile(
    `its logits differ by ${maxLogit.toExponential(1)}, more than the tolerance ${tolerance.toExponential(1)}`,
  );
}
