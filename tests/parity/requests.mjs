/** @file What the parity suite asks of each growth method, as arguments of `cambium grow`. */

/**
 * Requests by method id. The first exact one of each method is also made of the real checkpoint. Of `approximate`
 * ones the suite only expects that transformers loads the result, computes finite logits and generates text.
 * `family` limits a request to checkpoints with this model_type; the result of a `mixture` request has another
 * model_type.
 */
export const requests = {
  hypercloning: [
    { args: ['--times', 'hidden=2,ffn=2'] },
    { args: ['--times', 'hidden=3,ffn=2', '--option', 'noise=none'] },
    { args: ['--times', 'hidden=2,ffn=3', '--option', 'variant=diagonal'] },
  ],
  expand: [
    { args: ['--times', 'hidden=2,ffn=2'] },
    { args: ['--to', 'hidden=40,ffn=130'], family: 'gpt2' },
    { args: ['--to', 'hidden=36,ffn=50'], family: 'llama' },
    { args: ['--times', 'group=2'], family: 'llama' },
    { args: ['--times', 'head_dim=2'], family: /^(llama|mistral|mixtral|qwen|gemma|olmo|phi3)/ },
    { args: ['--to', 'hidden=36,heads=3'], family: /^(gpt_neox|stablelm)$/ },
  ],
  identity: [{ args: ['--to', 'layers=7'] }, { args: ['--to', 'layers=5'] }],
  'clone-pad': [{ args: ['--times', 'hidden=2,ffn=3'] }, { args: ['--times', 'ffn=2'] }],
  net2net: [{ args: ['--times', 'ffn=2'] }],
  'copy-pad': [{ args: ['--times', 'ffn=2', '--option', 'fill=random'], approximate: true }],
  'shrink-perturb': [{ args: ['--times', 'ffn=2'], approximate: true }],
  aki: [{ args: ['--times', 'ffn=2'], approximate: true }],
  stack: [{ args: ['--times', 'layers=2'], approximate: true }],
  interleave: [{ args: ['--times', 'layers=2'], approximate: true }],
  solar: [{ args: ['--option', 'n=2', '--option', 'k=0'], approximate: true }],
  upcycle: [
    { args: optionArgs('router=0.3'), mixture: true },
    { args: optionArgs('experts=8', 'active=4', 'shards=2', 'router=0.3'), mixture: true },
    { args: optionArgs('weights=shares'), mixture: true, family: /^qwen/, approximate: true },
    { args: optionArgs('shards=2', 'scale=thirds'), mixture: true, approximate: true },
  ],
  vocab: [{ args: ['--times', 'vocab=2'] }],
};

function optionArgs(...options) {
  return options.flatMap((option) => ['--option', option]);
}

/** The model_type of the mixture of experts that a dense model becomes. */
export const mixtureTypes = { llama: 'mixtral', mistral: 'mixtral', qwen2: 'qwen2_moe', qwen3: 'qwen3_moe' };

/** Whether a mixture-of-experts family can represent a model with this config.json. */
function canBecomeMixture(config) {
  const type = config.model_type;
  if (!(type in mixtureTypes)) return false;
  if (type === 'llama') return !config.attention_bias && !config.mlp_bias;
  // In the mixtures of Qwen 3, the sliding window applies to all layers or to none.
  if (type === 'qwen3' && config.use_sliding_window) return new Set(config.layer_types).size <= 1;
  return true;
}

/** Whether the sizes are fixed: the MLP of BLOOM and MPT is as wide as four streams, ALiBi of Falcon fixes the stream. */
function hasFixedSizes(args, config) {
  const sizes = args.join(' ');
  if (/^(bloom|mpt)$/.test(config.model_type)) return /ffn=/.test(sizes) && !/hidden=2,ffn=2/.test(sizes);
  return config.alibi === true && /hidden=/.test(sizes);
}

/** BLOOM and MPT grow the stream by wider heads, and padding BLOOM's is refused. */
const cannotPad = (id, config) =>
  (config.model_type === 'bloom' && id === 'expand') ||
  (/^(bloom|mpt)$/.test(config.model_type) && id === 'clone-pad');

/** Whether a request of a method applies to a checkpoint with this config.json. */
export function appliesTo({ family, mixture, args }, config, id) {
  if (hasFixedSizes(args, config) || cannotPad(id, config)) return false;
  if (mixture && !canBecomeMixture(config)) return false;
  if (family instanceof RegExp) return family.test(config.model_type);
  return family === undefined || family === config.model_type;
}
