/**
 * @file A model as an ONNX file of open lengths, with its cache as inputs and outputs, and the weights in a
 * file beside it.
 */
import { openLengths } from '../../graph/passes/dynamic.ts';
import { lowered, onnxModel, type Weight } from '../../graph/onnx.ts';
import { simplify } from '../../graph/passes/simplify.ts';
import { input } from '../../graph/ops/build.ts';
import { decoderProgram } from '../../model/decoding.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { parametersOf } from '../../model/parameters.ts';
import { countOf, type Dims } from '../../tensor/layout.ts';

export const onnxFile = 'model.onnx';
export const onnxWeightsFile = 'model.onnx.data';

/** Two lengths of each kind, which nothing else of a model is likely to be. */
const lengths = { sequence: [1009, 1013], past: [2003, 2011], 'past + sequence': [3012, 3024] } as const;
/** Weights begin at multiples of this, so that they can be mapped into memory. */
const page = 4096;

export interface OnnxDecoder {
  readonly bytes: Uint8Array;
  /** Where each weight lies in the file of weights, float32, in the order of the file. */
  readonly weights: readonly { readonly name: string; readonly offset: number; readonly bytes: number }[];
  /** Bytes of the file of weights. */
  readonly size: number;
  /** Heads and width of what each layer keeps, by the name of its input. */
  readonly past: Readonly<Record<string, { readonly heads: number; readonly width: number }>>;
}

/**
 * The file's bytes for positions below `most`. Written for operators that every provider of ONNX Runtime has.
 */
export function onnxDecoder(family: ModelFamily, dims: Dims, settings: Settings, most: number): OnnxDecoder {
  const parameters = parametersOf(family, dims, settings);
  const weights = new Map(parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)] as const));
  const [one, other] = ([0, 1] as const).map((i) =>
    lowered(
      simplify(
        decoderProgram(
          { family, dims, settings, weights },
          { sequence: lengths.sequence[i], past: lengths.past[i], most },
        ),
      ),
      'webgpu',
    ),
  );
  let size = 0;
  const placed = parameters.map(({ name, shape }) => {
    const offset = Math.ceil(size / page) * page;
    const bytes = 4 * countOf(shape);
    size = offset + bytes;
    return { name, offset, bytes };
  });
  const { graph, dims: open } = openLengths(one!, other!, lengths);
  return {
    bytes: onnxModel(graph, {
      provider: 'webgpu',
      dims: open,
      weights: Object.fromEntries(
        placed.map(({ name, offset, bytes }): [string, Weight] => [
          name,
          { file: onnxWeightsFile, offset, bytes },
        ]),
      ),
    }),
    weights: placed,
    size,
    past: Object.fromEntries(
      graph.inputs
        .filter((v) => v.name!.startsWith('past_key_values.'))
        .map((v) => [v.name!, { heads: v.shape[1]!, width: v.shape[3]! }]),
    ),
  };
}
