/**
 * @file Replaces operators of a forward pass by those that Cambium's own kernels compute. Gradients that are
 * derived from the result use the kernels too. Attention and AdamW are chosen where they are built.
 */
import { emit, graphOf, nodesOf, type Node, type Value } from '../graph.ts';
import type { KernelChoice } from '../kernels.ts';
import { gatedActivation, type GateActivation } from '../ops/kernels/gate.ts';
import { fusedCrossEntropy } from '../ops/kernels/loss.ts';
import { addLayerNorm, fusedLayerNorm } from '../ops/kernels/layer-norm.ts';
import { addRmsNorm, fusedRmsNorm, widestRow } from '../ops/kernels/norm.ts';
import { cast } from '../ops/logic.ts';
import { sameShape } from '../shapes.ts';
import { rewrite } from './rewrite.ts';

/**
 * `values`, computed by kernels where `kernels` has one. Values that no kernel comes before stay the same, so that a
 * caller can still differentiate by its weights.
 */
export function useKernels(values: readonly Value[], kernels: KernelChoice): readonly Value[] {
  if (kernels.size === 0) return values;
  const graph = graphOf(Object.fromEntries(values.map((v, i) => [String(i), v])));
  const fuser = new Fuser(nodesOf(values), kernels);
  const { outputs } = rewrite(graph, (node, inputs) => fuser.replace(node, inputs));
  return values.map((_, i) => outputs[String(i)]!);
}

class Fuser {
  private readonly kernels: KernelChoice;
  /** The norm of each sum whose gain and shift exist before the sum. */
  private readonly normOfSum = new Map<Node, Node>();
  /** The addition of each layer norm's shift, if nothing else reads the norm. */
  private readonly shiftOfNorm = new Map<Node, Node>();
  private readonly replacements = new Map<Value, Value>();

  constructor(nodes: readonly Node[], kernels: KernelChoice) {
    this.kernels = kernels;
    if (!kernels.has('norm')) return;
    const uses = countUses(nodes);
    for (const node of nodes) {
      const norm = node.inputs[0]?.node;
      if (norm?.op.name === 'LayerNorm' && isShiftOf(norm, node) && uses.get(node.inputs[0]!) === 1)
        this.shiftOfNorm.set(norm, node);
    }
    for (const norm of nodes) {
      const x = norm.inputs[0];
      const total = x?.node;
      if (!hasKernel(norm) || total?.op.name !== 'Add' || this.normOfSum.has(total)) continue;
      const isPlain = total.inputs.every((v) => sameShape(v.shape, x!.shape));
      const isReady = this.scalesOf(norm).every((v) => !v.node || v.id < x!.id);
      if (isPlain && isReady) this.normOfSum.set(total, norm);
    }
  }

  replace(node: Node, inputs: readonly Value[]): readonly Value[] {
    const known = node.outputs.map((v) => this.replacements.get(v));
    const outputs = known.every((v) => v !== undefined) ? known : this.emit(node, inputs);
    node.outputs.forEach((v, i) => this.replacements.set(v, outputs[i]!));
    return outputs;
  }

  private emit(node: Node, inputs: readonly Value[]): readonly Value[] {
    const replaced = this.emitNorm(node, inputs) ?? this.emitOther(node, inputs);
    if (replaced) return replaced;
    const isUnchanged = inputs.every((v, i) => v === node.inputs[i]);
    return isUnchanged ? node.outputs : emit(node.op, inputs, node.attrs);
  }

  /** The gain of a norm, and its shift if a kernel adds it. */
  private scalesOf(norm: Node): readonly Value[] {
    const shift = this.shiftOfNorm.get(norm)?.inputs[1];
    return shift ? [norm.inputs[1]!, shift] : [norm.inputs[1]!];
  }

  private emitNorm(node: Node, inputs: readonly Value[]): readonly Value[] | undefined {
    if (!this.kernels.has('norm')) return undefined;
    const norm = hasKernel(node) ? node : this.normOfSum.get(node);
    if (!norm) return undefined;
    const { plain, afterSum } = fusedNorms[norm.op.name as keyof typeof fusedNorms] as NormKernels;
    const [gain, shift] = this.scalesOf(norm).map((v) => this.replacements.get(v) ?? v) as [Value, Value?];
    const eps = norm.attrs.eps as number;
    if (norm === node) return this.replaceNorm(norm, plain(inputs[0]!, gain, shift, eps));
    const [total, ...outputs] = afterSum(inputs[0]!, inputs[1]!, gain, shift, eps);
    this.replaceNorm(norm, outputs);
    return [total!];
  }

  private replaceNorm(norm: Node, outputs: readonly Value[]): readonly Value[] {
    norm.outputs.forEach((v, i) => this.replacements.set(v, outputs[i]!));
    const shifted = this.shiftOfNorm.get(norm)?.outputs[0];
    if (shifted) this.replacements.set(shifted, outputs[0]!);
    return outputs;
  }

  private emitOther({ op, outputs }: Node, inputs: readonly Value[]): readonly Value[] | undefined {
    if (op.name === 'CrossEntropy' && this.kernels.has('loss'))
      return [cast(fusedCrossEntropy(inputs[0]!, inputs[1]!), outputs[0]!.dtype)];
    if (op.name !== 'Mul' || !this.kernels.has('gate')) return undefined;
    const side = inputs.findIndex((v, i) => {
      const isWhole = [v, inputs[1 - i]!].every((operand) => sameShape(operand.shape, outputs[0]!.shape));
      return isWhole && activationOf(v) !== undefined;
    });
    if (side < 0) return undefined;
    const gate = inputs[side]!;
    return [gatedActivation(gate.node!.inputs[0]!, inputs[1 - side]!, activationOf(gate)!)];
  }
}

interface NormKernels {
  readonly plain: typeof fusedLayerNorm;
  readonly afterSum: typeof addLayerNorm;
}

/** The kernels of each norm. Only the layer norm has a shift. */
const fusedNorms = {
  RmsNorm: {
    plain: (x, gain, _, eps) => fusedRmsNorm(x, gain, eps),
    afterSum: (x, residual, gain, _, eps) => addRmsNorm(x, residual, gain, eps),
  },
  LayerNorm: { plain: fusedLayerNorm, afterSum: addLayerNorm },
} satisfies Readonly<Record<string, NormKernels>>;

/** Whether a kernel computes this norm. */
const hasKernel = ({ op, inputs: [x] }: Node): boolean =>
  op.name in fusedNorms && x!.shape.at(-1)! <= widestRow;

/** Whether `node` adds a row, which exists before `norm`, to each row of its output. */
const isShiftOf = (norm: Node, { op, inputs: [x, row] }: Node): boolean =>
  op.name === 'Add' &&
  sameShape(row!.shape, x!.shape.slice(-1)) &&
  (!row!.node || row!.id < norm.outputs[0]!.id);

/** How many inputs of `nodes` each value is. */
function countUses(nodes: readonly Node[]): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  for (const v of nodes.flatMap((node) => node.inputs)) uses.set(v, (uses.get(v) ?? 0) + 1);
  return uses;
}

/** The activation that computes `v`; undefined if none does. */
function activationOf({ node }: Value): GateActivation | undefined {
  if (node?.op.name === 'Silu') return 'silu';
  if (node?.op.name !== 'Gelu') return undefined;
  return node.attrs.approximate === 'tanh' ? 'gelu_tanh' : 'gelu';
}
