/**
 * @file Builds the ONNX graph of a model for inference: lengths are dynamic, the KV cache consists of inputs and
 * outputs, and the weights are in an external file.
 */
import { addDynamicAxes } from '../../graph/passes/dynamic-axes.ts';
import type { Graph } from '../../graph/graph.ts';
import { lowerGraph, encodeOnnxModel, type Initializer } from '../../graph/onnx.ts';
import { simplify } from '../../graph/passes/simplify.ts';
import { input } from '../../graph/ops/build.ts';
import { exportedDecoderProgram } from '../../model/decode-programs.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { parametersOf, type Parameter } from '../../model/parameters.ts';
import { fixedLengthOf } from '../../model/rope-frequencies.ts';
import { countElements, type Dims } from '../../tensor/layout.ts';

export const onnxFile = 'model.onnx';
export const onnxWeightsFile = 'model.onnx.data';

/**
 * Two lengths for each dynamic axis. They are primes or otherwise unlikely to be another size of a model, so
 * that an axis which differs between the two graphs must be dynamic.
 */
const lengths = { sequence: [1009, 1013], past: [2003, 2011], 'past + sequence': [3012, 3024] } as const;
/** External weights start at multiples of this many bytes, so that they can be memory-mapped. */
const alignment = 4096;

export interface OnnxDecoder {
  /** The ONNX file without the weights. */
  readonly bytes: Uint8Array;
  /** Offset of each weight in the weights file, float32, in file order. */
  readonly weights: readonly { readonly name: string; readonly offset: number; readonly bytes: number }[];
  /** Tokens of the longest text that the file computes. */
  readonly maxPositions: number;
  /** Bytes of the weights file. */
  readonly weightBytes: number;
  /** Heads and head size of each KV cache tensor, by the name of its input. */
  readonly past: Readonly<Record<string, { readonly heads: number; readonly width: number }>>;
}

/**
 * Builds the decoder for up to `positions` tokens, or for fewer where the rotary frequencies of a longer text would
 * depend on its length: the file computes angles by position. It only uses operators that every execution provider
 * of ONNX Runtime implements.
 */
export function buildOnnxDecoder(
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
  positions: number,
): OnnxDecoder {
  const maxPositions = Math.min(positions, fixedLengthOf(settings));
  const parameters = parametersOf(family, dims, settings);
  const weights = new Map(parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)] as const));
  const buildGraph = (i: 0 | 1): Graph => {
    const sizes = { sequence: lengths.sequence[i], past: lengths.past[i], maxPositions };
    const program = exportedDecoderProgram({ family, dims, settings, weights }, sizes);
    return lowerGraph(simplify(program), 'webgpu');
  };
  const { graph, shapes } = addDynamicAxes(buildGraph(0), buildGraph(1), lengths);
  const { layout, weightBytes } = layOutWeights(parameters);
  const initializers = layout.map(({ name, offset, bytes }): [string, Initializer] => [
    name,
    { file: onnxWeightsFile, offset, bytes },
  ]);
  const cacheInputs = graph.inputs.filter((v) => v.name!.startsWith('past_key_values.'));
  return {
    maxPositions,
    bytes: encodeOnnxModel(graph, {
      provider: 'webgpu',
      dynamicShapes: shapes,
      initializers: Object.fromEntries(initializers),
    }),
    weights: layout,
    weightBytes,
    past: Object.fromEntries(cacheInputs.map((v) => [v.name!, { heads: v.shape[1]!, width: v.shape[3]! }])),
  };
}

/** Assigns each weight an aligned offset in the weights file. */
function layOutWeights(parameters: readonly Parameter[]): {
  readonly layout: OnnxDecoder['weights'];
  readonly weightBytes: number;
} {
  let weightBytes = 0;
  const layout = parameters.map(({ name, shape }) => {
    const offset = Math.ceil(weightBytes / alignment) * alignment;
    const bytes = 4 * countElements(shape);
    weightBytes = offset + bytes;
    return { name, offset, bytes };
  });
  return { layout, weightBytes };
}
