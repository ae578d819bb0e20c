/** @file The registry of model families. */
import { refuse, type ErrorDetail } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import type { ModelFamily } from '../family.ts';
import { arcee } from './arcee.ts';
import { bloom } from './bloom.ts';
import { cohere } from './cohere.ts';
import { cohere2 } from './cohere2.ts';
import { ernie } from './ernie.ts';
import { exaone4 } from './exaone4.ts';
import { falconAlibi } from './falcon-alibi.ts';
import { falcon } from './falcon.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { glm, glm4 } from './glm.ts';
import { gptBigcode } from './gpt-bigcode.ts';
import { gptJ } from './gpt-j.ts';
import { gptNeo } from './gpt-neo.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { granite } from './granite.ts';
import { helium } from './helium.ts';
import { hunyuan } from './hunyuan.ts';
import { llama } from './llama.ts';
import { ministral } from './ministral.ts';
import { ministral3 } from './ministral3.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import { mpt } from './mpt.ts';
import { nemotron } from './nemotron.ts';
import { olmo } from './olmo.ts';
import { olmo2 } from './olmo2.ts';
import { olmo3 } from './olmo3.ts';
import { olmoe } from './olmoe.ts';
import { optProjected } from './opt-projected.ts';
import { opt } from './opt.ts';
import { phi } from './phi.ts';
import { phi3 } from './phi3.ts';
import { qwen2, qwen3 } from './qwen.ts';
import { qwen2Moe } from './qwen2-moe.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { seedOss } from './seed-oss.ts';
import { smollm3 } from './smollm3.ts';
import { stablelm } from './stablelm.ts';
import { starcoder2 } from './starcoder2.ts';
import { unsupportedTypes } from './unsupported.ts';

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
  smollm3,
  phi,
  starcoder2,
  granite,
  olmo3,
  cohere,
  cohere2,
  glm,
  glm4,
  nemotron,
  ministral,
  ministral3,
  exaone4,
  arcee,
  ernie,
  seedOss,
  hunyuan,
  helium,
  gptJ,
  gptNeo,
  gptBigcode,
  bloom,
  mpt,
  falcon,
  falconAlibi,
  mixtral,
  qwen2Moe,
  qwen3Moe,
  olmoe,
];

/** The mixture-of-experts family that models of a dense family can be upcycled to. */
export const findMixtureFamily = (dense: string): ModelFamily | undefined =>
  all.find((family) => family.mixture?.upcycling?.denseFamilies.includes(dense));

export const families: ReadonlyMap<string, ModelFamily> = new Map(all.map((family) => [family.id, family]));

/** Throws `checkpoint/unknown-family` if there is no family with this id. */
export const familyById = (id: string): ModelFamily =>
  families.get(id) ?? refuse('checkpoint/unknown-family', { type: id, known: [...families.keys()] });

/** The detail of `checkpoint/unknown-family`, with the reason where it is known. */
export const describeUnknownType = (type: string): ErrorDetail<'checkpoint/unknown-family'> => {
  const known = all.flatMap((family) => family.modelTypes);
  const why = unsupportedTypes[type];
  return why === undefined ? { type, known } : { type, known, why };
};

/** The family of a config.json, found by its `model_type`. Throws `checkpoint/unknown-family`. */
export function familyOf(config: JsonObject): ModelFamily {
  const type = toText(config['model_type'] ?? '');
  const found = all.find((family) => family.modelTypes.includes(type) && (family.matches?.(config) ?? true));
  if (found) return found;
  return refuse('checkpoint/unknown-family', describeUnknownType(type));
}
