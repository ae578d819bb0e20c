/**
 * @file Mixture-of-experts layers in float64, from modeling_mixtral.py, modeling_qwen2_moe.py and
 * modeling_qwen3_moe.py.
 */
import { add, gate, linear, numberOf, type Activation, type Config, type Matrix } from './layers.ts';

type GetWeight = (name: string) => Float64Array;

/** down(act(gate x) * up x), with the weights in this order. */
function gatedMlp(x: Matrix, [gateWeight, up, down]: readonly Float64Array[], act: Activation): Matrix {
  return linear(gate(linear(x, gateWeight!), linear(x, up!), act), down!);
}

/** The experts with the largest router logits; of equal ones, the first. */
const topExperts = (logits: readonly number[], k: number): readonly number[] =>
  logits
    .map((_, expert) => expert)
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, k);

/** The MLP of a layer such as `model.layers.0`: every token through its top experts, one token at a time. */
export function mixtureOfExperts(
  config: Config,
  get: GetWeight,
  layer: string,
  x: Matrix,
  act: Activation,
): Matrix {
  const isMixtral = config['model_type'] === 'mixtral';
  const moe = `${layer}.${isMixtral ? 'block_sparse_moe' : 'mlp'}`;
  const names = isMixtral ? ['w1', 'w3', 'w2'] : ['gate_proj', 'up_proj', 'down_proj'];
  const mlpWeights = (mlp: string): readonly Float64Array[] =>
    names.map((name) => get(`${mlp}.${name}.weight`));
  const topK = numberOf(config, 'num_experts_per_tok', 0);
  const normalizesTopK = isMixtral || config['norm_topk_prob'] === true;
  const routerLogits = linear(x, get(`${moe}.gate.weight`));

  const routed = x.map((token, t) => {
    const logits = [...routerLogits[t]!];
    const max = Math.max(...logits);
    const exps = logits.map((v) => Math.exp(v - max));
    const chosen = topExperts(logits, topK);
    const chosenSum = chosen.reduce((sum, expert) => sum + exps[expert]!, 0);
    const total = normalizesTopK ? chosenSum : exps.reduce((a, b) => a + b, 0);
    const out = new Float64Array(token.length);
    for (const expert of chosen) {
      const [output] = gatedMlp([token], mlpWeights(`${moe}.experts.${expert}`), act);
      output!.forEach((v, i) => {
        out[i]! += (v * exps[expert]!) / total;
      });
    }
    return out;
  });
  if (config['model_type'] !== 'qwen2_moe') return routed;

  const shared = gatedMlp(x, mlpWeights(`${moe}.shared_expert`), act);
  const gates = linear(x, get(`${moe}.shared_expert_gate.weight`));
  const gated = shared.map((row, t) => row.map((v) => v / (1 + Math.exp(-gates[t]![0]!))));
  return add(routed, gated);
}
