/** @file The registry of model families. */
import { refuse } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import type { ModelFamily } from '../family.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gpt2 } from './gpt2.ts';
import { gptNeox } from './gpt-neox.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import { olmo } from './olmo.ts';
import { olmo2 } from './olmo2.ts';
import { optProjected } from './opt-projected.ts';
import { opt } from './opt.ts';
import { phi3 } from './phi3.ts';
import { qwen2, qwen3 } from './qwen.ts';
import { qwen2Moe } from './qwen2-moe.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { stablelm } from './stablelm.ts';

const all: readonly ModelFamily[] = [
  gpt2,
  llama,
  mistral,
  qwen2,
  qwen3,
  gptNeox,
  opt,
  optProjected,
  stablelm,
  gemma,
  gemma2,
  gemma3,
  olmo,
  olmo2,
  phi3,
  mixtral,
  qwen2Moe,
  qwen3Moe,
];

/** The mixture-of-experts family that models of a dense family can be upcycled to. */
export const findMixtureFamily = (dense: string): ModelFamily | undefined =>
  all.find((family) => family.mixture?.denseFamilies.includes(dense));

export const families: ReadonlyMap<string, ModelFamily> = new Map(all.map((family) => [family.id, family]));

/** Throws `checkpoint/unknown-family` if there is no family with this id. */
export const familyById = (id: string): ModelFamily =>
  families.get(id) ?? refuse('checkpoint/unknown-family', { type: id, known: [...families.keys()] });

/** The family of a config.json, found by its `model_type`. Throws `checkpoint/unknown-family`. */
export function familyOf(config: JsonObject): ModelFamily {
  const type = toText(config['model_type'] ?? '');
  return (
    all.find((family) => family.modelTypes.includes(type) && (family.matches?.(config) ?? true)) ??
    refuse('checkpoint/unknown-family', { type, known: all.flatMap((f) => f.modelTypes) })
  );
}
