/**
 * @file The text model inside of a multimodal checkpoint: its config.json in the form of the plain text family, and
 * which of the stored weights belong to it. Must agree with the classes of transformers 5.24 for text input alone.
 */
import { toText, type Json, type JsonObject } from '../../base/json.ts';
import { without } from '../tensor-specs.ts';

/** By the `model_type` of the checkpoint: the plain family of its text model, where the file has a name of its own. */
const textTypes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gemma3: {},
  mistral3: {},
  llava: {},
  llava_next: {},
  idefics3: {},
  smolvlm: {},
  internvl: {},
  qwen2_vl: { qwen2_vl: 'qwen2', qwen2_vl_text: 'qwen2' },
  qwen2_5_vl: { qwen2_5_vl: 'qwen2', qwen2_5_vl_text: 'qwen2' },
  qwen3_vl: { qwen3_vl_text: 'qwen3' },
};

/** The `model_type` that the class of a checkpoint gives to a text_config without one. */
const defaultTextTypes: Readonly<Record<string, string>> = {
  gemma3: 'gemma3_text',
  mistral3: 'mistral',
  llava: 'llama',
  llava_next: 'llama',
  idefics3: 'llama',
  smolvlm: 'llama',
  internvl: 'qwen2',
  qwen3_vl: 'qwen3_vl_text',
};

/** The plain type of the text model in checkpoints of a multimodal type; any other type is returned as it is. */
export const textTypeOf = (type: string): string => {
  const names = textTypes[type];
  if (!names) return type;
  const own = defaultTextTypes[type] ?? type;
  return names[own] ?? own;
};

/** Keys of other models, and of the checkpoint as a whole. */
const otherKeys: readonly string[] = [
  'text_config',
  'vision_config',
  'architectures',
  'auto_map',
  'image_token_id',
  'image_token_index',
  'video_token_id',
  'vision_token_id',
  'vision_start_token_id',
  'vision_end_token_id',
];

/** Keys that the checkpoint as a whole may say for its text model. */
const sharedKeys: readonly string[] = [
  'tie_word_embeddings',
  'dtype',
  'torch_dtype',
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'transformers_version',
];

const isRecord = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Positions of text have the same number in all three sections of multimodal rotary positions, which is what plain
 * rotary positions have.
 */
function withoutSections(config: JsonObject): JsonObject {
  const entries = ['rope_scaling', 'rope_parameters'].flatMap((key) => {
    const rope = config[key];
    if (!isRecord(rope) || !('mrope_section' in rope)) return [];
    const plain = without(rope, 'mrope_section', 'mrope_interleaved', 'type') as JsonObject;
    const type = rope['rope_type'] ?? rope['type'];
    return [
      [key, { ...plain, rope_type: type === 'mrope' || type === undefined ? 'default' : type }] as const,
    ];
  });
  return { ...config, ...Object.fromEntries(entries) };
}

/** The config.json of the text model of a multimodal checkpoint; undefined for every other checkpoint. */
export function textConfigOf(given: JsonObject): JsonObject | undefined {
  const outer = typeof given['model_type'] === 'string' ? given['model_type'] : '';
  if (!Object.hasOwn(textTypes, outer)) return undefined;
  const names = textTypes[outer]!;
  const nested = given['text_config'];
  // Files of transformers 4 have the keys of the text model at the top level.
  const isFlat = !isRecord(nested) || nested['hidden_size'] === undefined;
  if (isFlat && names[outer] === undefined && !isRecord(nested)) return undefined;
  const shared = Object.fromEntries(sharedKeys.flatMap((key) => (key in given ? [[key, given[key]!]] : [])));
  const text = isRecord(nested) && !(isFlat && names[outer] !== undefined) ? { ...shared, ...nested } : given;
  const type = text['model_type'] ?? defaultTextTypes[outer] ?? outer;
  const plain = without(withoutSections(text), ...otherKeys) as JsonObject;
  const name = toText(type);
  return { ...plain, model_type: Object.hasOwn(names, name) ? names[name]! : type };
}

/** How the weights of a text model are named in a multimodal checkpoint, and in the text model itself. */
const textPrefixes: readonly (readonly [stored: RegExp, own: string])[] = [
  [/^language_model\.model\./, 'model.'],
  [/^language_model\.lm_head\./, 'lm_head.'],
  [/^model\.language_model\./, 'model.'],
  [/^model\.text_model\./, 'model.'],
  [/^(?=lm_head\.|model\.(layers|embed_tokens|norm)\.)/, ''],
];

/** Modules that a multimodal checkpoint has beside its text model. */
const otherModule =
  /^(?:model\.)?(vision_tower|vision_model|visual|multi_modal_projector|connector|image_newline)(?:\.|$)/;

/** The name that a stored weight has in the text model, or the module that it belongs to; undefined for neither. */
export function textNameOf(
  stored: string,
): { readonly name: string } | { readonly module: string } | undefined {
  const module = otherModule.exec(stored)?.[1];
  if (module !== undefined) return { module };
  const prefix = textPrefixes.find(([pattern]) => pattern.test(stored));
  return prefix && { name: stored.replace(prefix[0], prefix[1]) };
}
