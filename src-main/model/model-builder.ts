/** @file Builds the layers of a model from the table of its family: linears, embeddings, norms and the head. */
import * as op from '../graph/ops/build.ts';
import type { Value } from '../graph/graph.ts';
import { storedShapeOf, viewShapeOf, type Dims, type Layout } from '../tensor/layout.ts';
import { softcap } from './activations.ts';
import type { ModelBuilder, SequenceContext } from './builder-types.ts';
import { tensorKey, type ModelFamily, type TensorSpec } from './family.ts';
import { add, applyWeight, mapValue, nameAxes, permute } from './named-value.ts';
import type { AxisName, NamedValue } from './named-value.ts';
import { wholeSequence } from './sequence.ts';
import type { Settings } from './settings.ts';

/**
 * `weights` maps names without prefix to values of the stored shapes. `onRouterLogits` receives the router
 * logits of each layer of a mixture of experts.
 */
export function createModelBuilder(
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
  weights: ReadonlyMap<string, Value>,
  onRouterLogits: ModelBuilder['onRouterLogits'] = () => undefined,
  sequence: SequenceContext = wholeSequence,
): ModelBuilder {
  const specOf = (name: string): TensorSpec => family.tensors[tensorKey(name)]!;
  const isTied = settings['tied'] === true;

  /** A bias, gain or shift with named axes, if the model has it. */
  const vector = (name: string): NamedValue | undefined => {
    const value = weights.get(name);
    if (!value) return undefined;
    const { layout, offset } = specOf(name);
    const axes = layout.axes.map(({ axis }) => axis);
    const plain = nameAxes(op.reshape(value, viewShapeOf(layout, dims)), ...axes);
    return offset === 0 ? plain : mapValue((v) => op.add(v, offset), plain);
  };
  /** The part of a stacked bias that belongs to a block of its weight. */
  const vectorOf = (part: Value, block: Layout): NamedValue => {
    const outputs = block.axes.filter(({ role }) => role === 'out').map(({ axis }) => axis);
    const shape = outputs.map((axis) => dims[axis]!);
    return nameAxes(op.reshape(part, shape), ...outputs);
  };
  const matrix = (name: string): Value => {
    const sharesEmbedding = isTied && name === family.head.weight;
    return weights.get(name) ?? weights.get(sharesEmbedding ? family.head.tiedTo : name)!;
  };
  const linear: ModelBuilder['linear'] = (x, name) => {
    const { layout } = specOf(`${name}.weight`);
    const bias = vector(`${name}.bias`);
    const y = applyWeight(x, matrix(`${name}.weight`), layout, viewShapeOf(layout, dims));
    return bias ? add(y, bias) : y;
  };
  const embed: ModelBuilder['embed'] = (name, tokens) => {
    const rows = op.gather(weights.get(`${name}.weight`)!, tokens);
    const width = specOf(`${name}.weight`).layout.axes.at(-1)!.axis;
    const embedded = nameAxes(rows, 'batch', 'seq', width);
    const scale = family.embedScale?.(dims, settings) ?? 1;
    return scale === 1 ? embedded : mapValue((v) => op.mul(v, scale), embedded);
  };
  return {
    dims,
    settings,
    linear,
    embed,
    onRouterLogits,
    attention: sequence.attention,
    rotary: (x, s = settings) => sequence.rotary(x, s),
    positionRows: (name, tokens, first = 0) => embed(name, sequence.positionRows(tokens, first)),
    splitLinear(x, name) {
      const blocks = specOf(`${name}.weight`).layout.stack!.entries;
      const rows = blocks.map((block) => storedShapeOf(block, dims)[0]!);
      const bias = weights.get(`${name}.bias`);
      const biases = bias && op.split(bias, rows, 0);
      return op.split(matrix(`${name}.weight`), rows, 0).map((weight, i) => {
        const y = applyWeight(x, weight, blocks[i]!, viewShapeOf(blocks[i]!, dims));
        return biases ? add(y, vectorOf(biases[i]!, blocks[i]!)) : y;
      });
    },
    norm(x, name) {
      const gain = vector(`${name}.weight`);
      const shift = vector(`${name}.bias`);
      const kind = family.stream.norm === 'rms' ? op.rmsNorm : op.layerNorm;
      const y = normOver(kind, x, Number(settings['eps']), gain);
      return shift ? add(y, shift) : y;
    },
    head(x) {
      const product = linear(x, family.head.weight.replace(/\.weight$/, ''));
      const scale = family.head.scale?.(settings) ?? 1;
      const logits = scale === 1 ? product : mapValue((v) => op.mul(v, scale), product);
      const cap = family.head.softcap === undefined ? null : settings[family.head.softcap];
      return typeof cap === 'number' ? mapValue((v) => softcap(v, cap), logits) : logits;
    },
  };
}

/**
 * A norm over the axes of its gain as if they were one, such as the query norm over all heads; over the last axis
 * if there is no gain.
 */
function normOver(kind: op.Norm, x: NamedValue, eps: number, gain: NamedValue | undefined): NamedValue {
  const axes: readonly AxisName[] = gain?.axes ?? [x.axes.at(-1)!];
  const lead = x.axes.filter((axis) => !axes.includes(axis));
  const y = permute(x, [...lead, ...axes]);
  const rows = op.reshape(y.value, [...y.value.shape.slice(0, lead.length), -1]);
  const normalized = kind(rows, eps, gain && op.reshape(gain.value, [-1]));
  return { value: op.reshape(normalized, y.value.shape), axes: y.axes };
}
