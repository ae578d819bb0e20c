/**
 * @file The tokenizer class that transformers registers for each model type. Must agree with
 * TOKENIZER_MAPPING_NAMES of transformers 5.24 (models/auto/tokenization_auto.py).
 */

/** A tokenizer class of transformers. */
export interface RegisteredTokenizer {
  readonly class: string;
  /** True if transformers ignores another class that the files of a checkpoint name. */
  readonly always?: boolean;
}

/** The class that uses tokenizer.json as it is. */
const plain: RegisteredTokenizer = { class: 'TokenizersBackend' };
const gpt2: RegisteredTokenizer = { class: 'GPT2Tokenizer' };
const gptNeox: RegisteredTokenizer = { class: 'GPTNeoXTokenizer' };
const gemma: RegisteredTokenizer = { class: 'GemmaTokenizer' };
const cohere: RegisteredTokenizer = { class: 'CohereTokenizer' };
const qwen2: RegisteredTokenizer = { class: 'Qwen2Tokenizer' };

/** By `model_type`. A model type without a class uses the one that its files name. */
export const registeredTokenizers: Readonly<Record<string, RegisteredTokenizer | undefined>> = {
  cohere,
  cohere2: cohere,
  ernie4_5: { ...plain, always: true },
  gemma,
  gemma2: gemma,
  gemma3_text: gemma,
  glm4: plain,
  glm: plain,
  gpt2,
  gpt_bigcode: plain,
  gpt_neo: gpt2,
  gpt_neox: gptNeox,
  gptj: gpt2,
  granite: plain,
  llama: undefined,
  ministral3: plain,
  ministral: plain,
  mistral: plain,
  mixtral: plain,
  mpt: gptNeox,
  nemotron: { ...plain, always: true },
  olmo2: plain,
  olmo3: plain,
  olmo: gptNeox,
  olmoe: gptNeox,
  opt: gpt2,
  phi3: { ...plain, always: true },
  phi: gpt2,
  qwen2: { ...qwen2, always: true },
  qwen2_moe: qwen2,
  qwen3: qwen2,
  qwen3_moe: qwen2,
  stablelm: plain,
  starcoder2: gpt2,
};
