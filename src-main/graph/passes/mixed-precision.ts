/**
 * @file Mixed precision: converts a float32 graph to one in which matrix products, and what connects them,
 * compute in a low-precision type. Each operator's `castPolicy` says how.
 */
import {
  countOf,
  emit,
  lazyConstant,
  nodesOf,
  type Constant,
  type Graph,
  type Node,
  type Value,
} from '../graph.ts';
import { kernelOf } from '../onnx.ts';
import { cast } from '../ops/logic.ts';
import { slice, split } from '../ops/movement.ts';
import { lacksKernel, providers, type Provider } from '../providers.ts';
import { isFloat, largestFinite } from '../types.ts';

export type LowPrecisionType = 'float16' | 'bfloat16';

/**
 * `graph` with products, and the operators between them, in `type`. Losses and the optimizer stay in float32,
 * norms, softmax and reductions compute in it, and so do the inputs and outputs of the graph. Weights and
 * constants are cast once, where they are used. The graph must be lowered for `provider`, so that each node is
 * one kernel.
 */
export function toMixedPrecision(graph: Graph, type: LowPrecisionType, provider: Provider): Graph {
  const converter = new Converter(type, provider);
  for (const node of nodesOf(Object.values(graph.outputs))) converter.convert(node);
  const outputs = Object.entries(graph.outputs).map(
    ([name, v]) => [name, converter.inOriginalType(v)] as const,
  );
  return { inputs: graph.inputs, outputs: Object.fromEntries(outputs) };
}

/** A value in float32, in low precision, or in both. */
interface Versions {
  float32?: Value;
  low?: Value;
  /** The precision that the value is computed in. */
  readonly computedIn: 'float32' | 'low';
}

const isFloat32 = (v: Value): boolean => v.dtype === 'float32';

/** A weight, a constant or a part of one: it takes the type of the operator that uses it. */
const isWeight = (v: Value): boolean =>
  !v.node || (v.node.op.castPolicy === 'passthrough' && isWeight(v.node.inputs[0]!));

const staysFloat32 = ({ op }: Node, i: number): boolean => op.float32Inputs?.includes(i) === true;

class Converter {
  private readonly type: LowPrecisionType;
  private readonly provider: Provider;
  private readonly versions = new Map<Value, Versions>();

  constructor(type: LowPrecisionType, provider: Provider) {
    this.type = type;
    this.provider = provider;
  }

  convert(node: Node): void {
    // Parts of a weight are created where they are used.
    if (node.outputs.every((v) => isFloat32(v) && isWeight(v))) return;
    const isLow = this.computesInLow(node);
    const outputs = this.emitWith(node, isLow ? (v) => this.low(v) : (v) => this.float32(v));
    node.outputs.forEach((v, i) => {
      const output = outputs[i]!;
      if (output.dtype === this.type) {
        this.versions.set(v, { computedIn: 'low', low: output });
      } else if (isFloat32(v) && this.storesLow(node)) {
        this.versions.set(v, { computedIn: 'low', low: cast(output, this.type) });
      } else {
        this.versions.set(v, { computedIn: 'float32', float32: output });
      }
    });
  }

  /** The converted value in the type that `v` has in the original graph. */
  inOriginalType(v: Value): Value {
    return isFloat32(v) ? this.float32(v) : (this.versions.get(v)?.float32 ?? v);
  }

  private computesInLow(node: Node): boolean {
    const { op, inputs } = node;
    if (lacksKernel(this.provider, kernelOf(op, node) ?? op.name, this.type) && !op.lower) return false;
    switch (op.castPolicy) {
      case 'low':
        return inputs.every((v) => isFloat32(v) || !isFloat(v));
      case 'promote':
      case 'passthrough':
        // A square leaves the range of float16 long before its root does.
        return !(op.name === 'Mul' && inputs[0] === inputs[1]) && this.hasLowInputs(node);
      case 'promote-bfloat16':
        return this.type === 'bfloat16' && this.hasLowInputs(node);
      case 'float32':
      case 'store-low':
      case 'store-bfloat16':
        return (
          providers[this.provider].float32Inside.has(kernelOf(op, node) ?? op.name) && this.hasLowInputs(node)
        );
    }
  }

  private storesLow({ op: { castPolicy } }: Node): boolean {
    return castPolicy === 'store-low' || (castPolicy === 'store-bfloat16' && this.type === 'bfloat16');
  }

  /** Whether the activations among the inputs are computed in low precision, and all weights fit into it. */
  private hasLowInputs(node: Node): boolean {
    const floats = node.inputs.filter((v, i) => isFloat32(v) && !staysFloat32(node, i));
    const activations = floats.filter((v) => !isWeight(v));
    return (
      activations.some((v) => this.versionsOf(v).computedIn === 'low') &&
      activations.every((v) => this.versionsOf(v).computedIn === 'low' || this.isRowStatistic(v, node)) &&
      floats.every((v) => !isWeight(v) || this.fitsRange(v))
    );
  }

  /**
   * Whether `v` is much smaller than what it is broadcast to: the factor of a norm, a sum over a row. Under
   * bfloat16 it is rounded rather than that all the others are widened; under float16 it might overflow.
   */
  private isRowStatistic(v: Value, { outputs: [output] }: Node): boolean {
    return this.type === 'bfloat16' && v.shape.length > 0 && 4 * countOf(v.shape) <= countOf(output!.shape);
  }

  private fitsRange({ constant }: Value): boolean {
    const limit = largestFinite[this.type];
    return !constant || Array.prototype.every.call(constant.values(), (x: number) => Math.abs(x) <= limit);
  }

  private versionsOf(v: Value): Versions {
    const known = this.versions.get(v);
    if (known) return known;
    const versions: Versions = { computedIn: 'float32', ...(v.node ? {} : { float32: v }) };
    this.versions.set(v, versions);
    return versions;
  }

  /** Adds a copy of `node` whose float32 inputs are replaced by `version(input)`. */
  private emitWith(node: Node, version: (v: Value) => Value): readonly Value[] {
    const inputs = node.inputs.map((v, i) => {
      if (!isFloat32(v)) return this.versions.get(v)?.float32 ?? v;
      return staysFloat32(node, i) ? this.float32(v) : version(v);
    });
    return emit(node.op, inputs, node.attrs);
  }

  private float32(v: Value): Value {
    const versions = this.versionsOf(v);
    versions.float32 ??= versions.low ? cast(versions.low, 'float32') : this.weightInFloat32(v);
    return versions.float32;
  }

  /** A part of a weight, cut out alone: parts that are used in low precision are not copied in float32. */
  private weightInFloat32(v: Value): Value {
    const node = v.node!;
    if (node.op.name !== 'Split') return this.emitWith(node, (input) => this.float32(input))[0]!;
    const { axis, sizes } = node.attrs as { axis: number; sizes: readonly number[] };
    const i = node.outputs.indexOf(v);
    const start = sizes.slice(0, i).reduce((total, size) => total + size, 0);
    return slice(this.float32(node.inputs[0]!), axis, start, start + sizes[i]!);
  }

  private low(v: Value): Value {
    const versions = this.versionsOf(v);
    if (versions.low) return versions.low;
    if (v.constant) versions.low = this.constantInLow(v, v.constant);
    else if (!v.node || !isWeight(v)) versions.low = cast(this.float32(v), this.type);
    else this.createWeightsInLow(v.node);
    return versions.low!;
  }

  private constantInLow({ shape }: Value, constant: Constant): Value {
    const key = constant.key.slice(constant.key.indexOf(' ') + 1);
    return lazyConstant(key, this.type, shape, () => constant.values());
  }

  private createWeightsInLow(node: Node): void {
    const parts =
      node.op.name === 'Split'
        ? split(this.low(node.inputs[0]!), node.attrs.sizes as number[], node.attrs.axis as number)
        : this.emitWith(node, (input) => this.low(input));
    node.outputs.forEach((output, i) => {
      this.versionsOf(output).low ??= parts[i]!;
    });
  }
}
