/**
 * @file Mends a generation_config.json that transformers refuses to save: keys without an effect in the mode that
 * the file chooses, and values that it does not allow. Follows `GenerationConfig.validate` with `strict=True` in
 * generation/configuration_utils.py of transformers 5.24.
 */
import type { Json, JsonObject } from '../../base/json.ts';
import { without } from '../../model/tensor-specs.ts';

export const generationConfigFile = 'generation_config.json';

interface Rule {
  /** The keys that the file should not have. */
  find(config: JsonObject): readonly string[];
  /** Why, as a clause after "was removed: ". */
  readonly why: string;
}

const has = (config: JsonObject, key: string): boolean => (config[key] ?? null) !== null;

/** Keys that are set to another value than the one that means nothing; null stands for no such value. */
const setKeys = (config: JsonObject, neutral: Readonly<Record<string, Json>>): readonly string[] =>
  Object.keys(neutral).filter((key) => has(config, key) && config[key] !== neutral[key]);

const isGreedy = (config: JsonObject): boolean => config['do_sample'] !== true;
const hasOneBeam = ({ num_beams: beams }: JsonObject): boolean => (beams ?? 1) === 1;

const samplingKeys: Readonly<Record<string, Json>> = {
  temperature: 1,
  top_p: 1,
  min_p: null,
  top_h: null,
  typical_p: 1,
  top_k: 50,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
};
const beamKeys: Readonly<Record<string, Json>> = { early_stopping: false, length_penalty: 1 };
const outputKeys = ['output_attentions', 'output_hidden_states', 'output_scores', 'output_logits'];
const caches: readonly Json[] = [
  ...['static', 'offloaded_static', 'dynamic', 'offloaded', 'quantized', 'paged', 'sliding_window'],
  ...['hybrid', 'hybrid_chunked', 'offloaded_hybrid', 'offloaded_hybrid_chunked'],
];
const argumentKeys = [
  ...['logits_processor', 'stopping_criteria', 'prefix_allowed_tokens_fn', 'synced_gpus', 'assistant_model'],
  ...['streamer', 'negative_prompt_ids', 'negative_prompt_attention_mask'],
];

const isNumberBelow = (value: Json | undefined, limit: number): boolean =>
  typeof value === 'number' && value < limit;

const toList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [value ?? null]);

const rules: readonly Rule[] = [
  {
    find: (config) =>
      has(config, 'early_stopping') && ![true, false, 'never'].includes(config['early_stopping'] as string)
        ? ['early_stopping']
        : [],
    why: 'it is neither true, false nor "never"',
  },
  {
    find: (config) => (isNumberBelow(config['max_new_tokens'], 1) ? ['max_new_tokens'] : []),
    why: 'it is not above zero',
  },
  {
    find({ assistant_ensemble_weight: weight }) {
      const isBad = typeof weight === 'number' && !(weight > 0 && weight < 1);
      return isBad ? ['assistant_ensemble_weight'] : [];
    },
    why: 'it is not between 0 and 1',
  },
  {
    find: (config) => (isNumberBelow(config['pad_token_id'], 0) ? ['pad_token_id'] : []),
    why: 'it is negative',
  },
  {
    find: (config) =>
      has(config, 'cache_implementation') && !caches.includes(config['cache_implementation']!)
        ? ['cache_implementation']
        : [],
    why: 'there is no such cache',
  },
  {
    find: (config) => (isGreedy(config) ? setKeys(config, samplingKeys) : []),
    why: 'it has no effect without do_sample',
  },
  {
    find: (config) => (hasOneBeam(config) ? setKeys(config, beamKeys) : []),
    why: 'it has no effect without num_beams',
  },
  {
    find(config) {
      const { num_return_sequences: count, num_beams: beams } = config;
      if (typeof count !== 'number' || count <= 1) return [];
      const isBad = hasOneBeam(config) ? isGreedy(config) : typeof beams === 'number' && count > beams;
      return isBad ? ['num_return_sequences'] : [];
    },
    why: 'there are not so many different sequences',
  },
  {
    find: (config) =>
      config['use_cache'] === false
        ? ['cache_implementation', 'cache_config'].filter((key) => has(config, key))
        : [],
    why: 'it has no effect with use_cache false',
  },
  {
    find: (config) =>
      config['return_dict_in_generate'] === true ? [] : outputKeys.filter((key) => config[key] === true),
    why: 'it has no effect without return_dict_in_generate',
  },
  {
    find(config) {
      const suppressed = toList(config['suppress_tokens']);
      return ['forced_bos_token_id', 'forced_eos_token_id'].filter((key) => {
        const forced = has(config, key) ? toList(config[key]) : [];
        return (
          has(config, 'suppress_tokens') && forced.length > 0 && forced.every((id) => suppressed.includes(id))
        );
      });
    },
    why: 'suppress_tokens suppresses it',
  },
  {
    find: (config) => argumentKeys.filter((key) => key in config),
    why: 'it is an argument of generate()',
  },
];

export interface MendedConfig {
  readonly config: JsonObject;
  /** What was removed, as sentences without a full stop; empty if nothing was. */
  readonly notes: readonly string[];
}

/** Removes what transformers refuses to save. Generation stays the same wherever it worked before. */
export function mendGenerationConfig(given: JsonObject): MendedConfig {
  let config = given;
  const notes: string[] = [];
  for (const { find, why } of rules)
    for (const key of find(config)) {
      const value = JSON.stringify(config[key]);
      notes.push(`${generationConfigFile}: ${key} ${value} was removed: ${why}`);
      config = without(config, key) as JsonObject;
    }
  return { config, notes };
}
