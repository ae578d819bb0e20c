/**
 * @file What Mixtral, Qwen 2 MoE and Qwen 3 MoE have instead of an MLP, in float64, from modeling_mixtral.py,
 * modeling_qwen2_moe.py and modeling_qwen3_moe.py.
 */
import { number, project, zip, type Config, type Matrix } from './parts.ts';

type Get = (name: string) => Float64Array;

/** act(gate x) × up x, down. */
export function gated(
  x: Matrix,
  [gate, up, down]: readonly Float64Array[],
  act: (x: number) => number,
): Matrix {
  const rise = project(x, up!, undefined);
  return project(
    project(x, gate!, undefined).map((row, i) => row.map((g, j) => act(g) * rise[i]![j]!)),
    down!,
    undefined,
  );
}

/**
 * Each token through the experts that its router rates highest, one token at a time; of equal ratings the
 * first.
 */
export function experts(
  config: Config,
  get: Get,
  layer: string,
  x: Matrix,
  act: (x: number) => number,
): Matrix {
  const mixtral = config['model_type'] === 'mixtral';
  const at = `${layer}.${mixtral ? 'block_sparse_moe' : 'mlp'}`;
  const names = mixtral ? ['w1', 'w3', 'w2'] : ['gate_proj', 'up_proj', 'down_proj'];
  const active = number(config, 'num_experts_per_tok', 0);
  const sums = mixtral || config['norm_topk_prob'] === true;
  const ratings = project(x, get(`${at}.gate.weight`), undefined);
  const parts = (of: string): readonly Float64Array[] => names.map((name) => get(`${of}.${name}.weight`));
  const routed = x.map((token, t) => {
    const logits = [...ratings[t]!];
    const most = Math.max(...logits);
    const powers = logits.map((v) => Math.exp(v - most));
    const whole = powers.reduce((a, b) => a + b, 0);
    const chosen = logits
      .map((_, e) => e)
      .sort((a, b) => logits[b]! - logits[a]! || a - b)
      .slice(0, active);
    const all = sums ? chosen.reduce((sum, e) => sum + powers[e]!, 0) : whole;
    const out = new Float64Array(token.length);
    for (const e of chosen)
      gated([token], parts(`${at}.experts.${e}`), act)[0]!.forEach((v, i) => {
        out[i]! += (v * powers[e]!) / all;
      });
    return out;
  });
  if (config['model_type'] !== 'qwen2_moe') return routed;
  const shared = gated(x, parts(`${at}.shared_expert`), act);
  const gates = project(x, get(`${at}.shared_expert_gate.weight`), undefined);
  return zip(
    routed,
    shared.map((row, t) => row.map((v) => v / (1 + Math.exp(-gates[t]![0]!)))),
  );
}
