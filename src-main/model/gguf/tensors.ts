/**
 * @file The tensors of a GGUF file: which weights of the model each is made of, and how. Nothing is read here, so
 * the page uses it to estimate sizes.
 */
import { countElements, storedShapeOf, type Layout } from '../../tensor/layout.ts';
import { inverseOrder, permuteAxes, permutedShape } from '../../tensor/permute.ts';
import { parametersOf, type Parameter } from '../parameters.ts';
import type { GgufArchitecture, GgufModel } from './architecture.ts';
import { countGgufBytes, ggufTypes, type GgufType } from './values.ts';

/** A weight of the model in a tensor: one, or an expert of several. */
export interface GgufPart {
  readonly parameter: Parameter;
  /** The axes of the weight in the checkpoint, and the order in which they stand in the file. */
  readonly shape: readonly number[];
  readonly order: readonly number[];
  /** The values in the file are (value + offset) · factor. */
  readonly offset: number;
  readonly factor: number;
}

interface TensorOf<Source> {
  readonly name: string;
  /** Outermost axis first; the file lists them the other way round. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  readonly source: Source;
}
/** A tensor made of weights, one after the other. */
type PartedTensor = TensorOf<{ readonly parts: readonly GgufPart[] }>;
/** A tensor that the settings of the model determine. */
type ConstantTensor = TensorOf<{ readonly values: Float32Array }>;
export type GgufTensor = PartedTensor | ConstantTensor;

/** The key of the table without its last part: the module, and whether the weight is its bias. */
function moduleOf(key: string): readonly [module: string, isBias: boolean] {
  const end = key.lastIndexOf('.');
  return [key.slice(0, end), key.slice(end + 1) === 'bias'];
}

/** The name in the file of a key of the family's table; undefined if llama.cpp has no place for it. */
export function ggufKeyOf(
  { family }: GgufModel,
  architecture: GgufArchitecture,
  key: string,
): string | undefined {
  const [module, isBias] = moduleOf(key);
  const name = architecture.modules[module];
  if (name === undefined) return undefined;
  const isMatrixBias = isBias && family.tensors[key]!.kind === 'bias';
  if (isMatrixBias && architecture.biases?.includes(name) !== true) return undefined;
  return `${name}.${isBias ? 'bias' : 'weight'}`;
}

/** Modules whose values llama.cpp reads in float32 only. */
const float32Modules = /(^|\.)(position_embd|ffn_gate_inp|ffn_gate_inp_shexp)\.weight$/;

function typeOf(name: string, shape: readonly number[], isMatrix: boolean, type: GgufType): GgufType {
  if (!isMatrix || shape.length < 2 || float32Modules.test(name)) return 'f32';
  // A row that does not fill whole blocks is stored as llama.cpp's converter does.
  return shape.at(-1)! % ggufTypes[type].values === 0 ? type : 'f16';
}

/** One axis of a weight as the file orders it; `pair` and `half` are those of a rotated head. */
interface ViewAxis {
  readonly name: string;
  readonly isInput: boolean;
  readonly size: number;
}

function viewAxes({ dims }: GgufModel, layout: Layout, splitsHead: boolean): readonly ViewAxis[] {
  return layout.axes.flatMap(({ axis, role }) => {
    const view = { name: axis, isInput: role === 'in', size: dims[axis]! };
    if (axis !== 'head_dim' || !splitsHead) return [view];
    return [
      { ...view, name: 'half', size: 2 },
      { ...view, name: 'pair', size: view.size / 2 },
    ];
  });
}

const rotatedModules = /\.attn_[qk]$/;

/** How the axes of a weight are ordered in the file: outputs before inputs, and pairs of a head together. */
function orderOf(
  model: GgufModel,
  architecture: GgufArchitecture,
  { key, spec, shape }: Parameter,
): Pick<GgufPart, 'shape' | 'order'> {
  const name = architecture.modules[moduleOf(key)[0]]!;
  const { layout } = spec;
  // A stack of parts keeps its order.
  if (layout.stack) return { shape, order: shape.map((_, axis) => axis) };
  const splitsHead = architecture.rotatesNeighbours === true && rotatedModules.test(name);
  const axes = viewAxes(model, layout, splitsHead);
  const wanted: readonly string[] = architecture.outputAxes?.[name] ?? [];
  const rank = (axis: ViewAxis, position: number): number => {
    if (axis.isInput) return 2000 + position;
    if (axis.name === 'half') return position + 1.5; // after the pair
    return wanted.includes(axis.name) ? wanted.indexOf(axis.name) : position;
  };
  const order = axes.map((_, position) => position).sort((a, b) => rank(axes[a]!, a) - rank(axes[b]!, b));
  return { shape: axes.map(({ size }) => size), order };
}

/** The shape in the file: outputs times inputs. */
function shapeInFile({ dims }: GgufModel, { spec, shape }: Parameter, name: string): readonly number[] {
  // The single gate of a shared expert is a vector in llama.cpp.
  if (name.endsWith('ffn_gate_inp_shexp.weight')) return shape.slice(1);
  const isInputFirst = spec.layout.axes[0]!.role === 'in';
  const stored = storedShapeOf(spec.layout, dims);
  return isInputFirst ? [...stored].reverse() : stored;
}

/** The scale of scores that the model has beyond that of llama.cpp. */
export function scaleFactorOf({ dims, settings }: GgufModel, architecture: GgufArchitecture): number {
  const scalar = settings['queryPreAttnScalar'];
  if (typeof scalar !== 'number') return 1;
  const factor = scalar ** -0.5 / (architecture.attentionScale?.(dims) ?? dims['head_dim']! ** -0.5);
  return Math.abs(factor - 1) < 1e-6 ? 1 : factor;
}

/** The numbers that llama.cpp divides the frequencies of Llama 3 by; one tensor for all layers. */
function rotaryFactors({ dims, settings }: GgufModel): readonly ConstantTensor[] {
  if (settings['ropeType'] !== 'llama3') return [];
  const width = dims['head_dim']!;
  const theta = Number(settings['ropeTheta']);
  const factor = Number(settings['ropeFactor']);
  const low = Number(settings['ropeLowFreqFactor']);
  const high = Number(settings['ropeHighFreqFactor']);
  const original = Number(settings['ropeOriginalPositions']);
  const values = Float32Array.from({ length: width / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / width);
    if (wavelength > original / low) return factor;
    if (wavelength < original / high) return 1;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return [{ name: 'rope_freqs.weight', shape: [values.length], type: 'f32', source: { values } }];
}

/** Zeros for the biases that llama.cpp requires and the model lacks. */
function missingBiases(
  architecture: GgufArchitecture,
  weights: readonly GgufTensor[],
): readonly ConstantTensor[] {
  if (architecture.needsBiases !== true) return [];
  const names = new Set(weights.map(({ name }) => name));
  return weights.flatMap(({ name, shape }) => {
    const module = name.replace(/\.weight$/, '').replace(/\.\d+\./, '.{layer}.');
    const bias = name.replace(/\.weight$/, '.bias');
    if (architecture.biases?.includes(module) !== true || names.has(bias)) return [];
    const values = new Float32Array(shape[0]!);
    return [{ name: bias, shape: [values.length], type: 'f32' as const, source: { values } }];
  });
}

/** All tensors of the file in order. Every weight has a place in llama.cpp (`findGgufProblem`). */
export function ggufTensorsOf(
  model: GgufModel,
  architecture: GgufArchitecture,
  type: GgufType,
): readonly GgufTensor[] {
  const { family, dims, settings } = model;
  const scale = scaleFactorOf(model, architecture);
  const create = (parameter: Parameter, module?: string): PartedTensor => {
    const key = module ?? ggufKeyOf(model, architecture, parameter.key)!;
    const name = key.replace('{layer}', String(parameter.layer));
    const { spec } = parameter;
    const shape = shapeInFile(model, parameter, name);
    const isScaled =
      architecture.scaledModule !== undefined && key.startsWith(`${architecture.scaledModule}.`);
    const part: GgufPart = {
      parameter,
      ...orderOf(model, architecture, parameter),
      offset: spec.offset,
      factor: isScaled ? scale : 1,
    };
    const isMatrix = spec.kind === 'linear' || spec.kind === 'lookup';
    return { name, shape, type: typeOf(name, shape, isMatrix, type), source: { parts: [part] } };
  };
  const parameters = parametersOf(family, dims, settings);
  const weights = stackExperts(parameters.map((parameter) => create(parameter)));
  const embedding = parameters.find(({ name }) => name === family.head.tiedTo)!;
  const needsHead = architecture.needsHead === true && settings['tied'] === true;
  return [
    ...rotaryFactors(model),
    ...weights,
    ...missingBiases(architecture, weights),
    ...(needsHead ? [create(embedding, 'output.weight')] : []),
  ];
}

/** Joins tensors of the same name, which are the experts of a layer, along a new first axis. */
function stackExperts(tensors: readonly PartedTensor[]): readonly GgufTensor[] {
  const byName = new Map<string, PartedTensor[]>();
  for (const tensor of tensors) {
    const same = byName.get(tensor.name);
    if (same) same.push(tensor);
    else byName.set(tensor.name, [tensor]);
  }
  return [...byName.values()].map((same) => {
    const [first] = same as [PartedTensor];
    if (first.source.parts[0]!.parameter.expert === undefined) return first;
    const parts = same.flatMap(({ source }) => source.parts);
    return { ...first, shape: [same.length, ...first.shape], source: { parts } };
  });
}

/** The values of a weight as they stand in the file. Changes `values` or returns other ones. */
export function toGgufOrder({ shape, order, offset, factor }: GgufPart, values: Float32Array): Float32Array {
  const changed = offset === 0 && factor === 1 ? values : values.map((value) => (value + offset) * factor);
  return permuteAxes(changed, shape, order);
}

/** Undoes `toGgufOrder`. */
export function fromGgufOrder(
  { shape, order, offset, factor }: GgufPart,
  values: Float32Array,
): Float32Array {
  const restored = permuteAxes(values, permutedShape(shape, order), inverseOrder(order));
  return offset === 0 && factor === 1 ? restored : restored.map((value) => value / factor - offset);
}

export const countTensorBytes = ({ type, shape }: GgufTensor): number =>
  countGgufBytes(type, countElements(shape));
