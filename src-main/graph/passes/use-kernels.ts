/**
 * @file Replaces operators of a forward pass by those that Cambium's own kernels compute. Gradients that are
 * derived from the result use the kernels too. Attention and AdamW are chosen where they are built.
 */
import { emit, graphOf, nodesOf, type Node, type Value } from '../graph.ts';
import type { KernelChoice } from '../kernels.ts';
import { gatedActivation, type GateActivation } from '../ops/kernels/gate.ts';
import { fusedCrossEntropy } from '../ops/kernels/loss.ts';
import { addRmsNorm, fusedRmsNorm } from '../ops/kernels/norm.ts';
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
  /** The norm of each sum whose gain exists before the sum. */
  private readonly normOfSum = new Map<Node, Node>();
  private readonly replacements = new Map<Value, Value>();

  constructor(nodes: readonly Node[], kernels: KernelChoice) {
    this.kernels = kernels;
    if (!kernels.has('norm')) return;
    for (const norm of nodes) {
      const [x, gain] = norm.inputs;
      const total = x?.node;
      if (norm.op.name !== 'RmsNorm' || total?.op.name !== 'Add' || this.normOfSum.has(total)) continue;
      const isPlain = total.inputs.every((v) => sameShape(v.shape, x!.shape));
      if (isPlain && (!gain!.node || gain!.id < x!.id)) this.normOfSum.set(total, norm);
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

  private emitNorm(node: Node, inputs: readonly Value[]): readonly Value[] | undefined {
    if (!this.kernels.has('norm')) return undefined;
    if (node.op.name === 'RmsNorm') return fusedRmsNorm(inputs[0]!, inputs[1]!, node.attrs.eps as number);
    const norm = this.normOfSum.get(node);
    if (!norm) return undefined;
    const gain = norm.inputs[1]!;
    const [total, ...normed] = addRmsNorm(
      inputs[0]!,
      inputs[1]!,
      this.replacements.get(gain) ?? gain,
      norm.attrs.eps as number,
    );
    norm.outputs.forEach((v, i) => this.replacements.set(v, normed[i]!));
    return [total!];
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

/** The activation that computes `v`; undefined if none does. */
function activationOf({ node }: Value): GateActivation | undefined {
  if (node?.op.name === 'Silu') return 'silu';
  if (node?.op.name !== 'Gelu') return undefined;
  return node.attrs.approximate === 'tanh' ? 'gelu_tanh' : 'gelu';
}
