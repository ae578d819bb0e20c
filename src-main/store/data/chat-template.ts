/**
 * @file The chat template of a tokenizer, rendered as transformers does (utils/chat_template_utils.py,
 * tokenization_utils_base.py: apply_chat_template with add_generation_prompt).
 */
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { parseJsonIfValid } from '../../base/json.ts';
import { refuse } from '../../base/errors.ts';
import { readInside } from '../fs/inside.ts';

const specialToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const templateText = z.union([
  z.string(),
  z.array(z.looseObject({ name: z.string(), template: z.string() })),
]);
const settingsSchema = z.looseObject({
  chat_template: templateText.nullish(),
  bos_token: specialToken,
  eos_token: specialToken,
  unk_token: specialToken,
  pad_token: specialToken,
});
type Settings = z.infer<typeof settingsSchema>;

const tokenNames = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;

/** The chat template of a folder's tokenizer; undefined if it has none. */
export const readChatTemplate = async (dir: string): Promise<string | undefined> =>
  findTemplate(dir, await readSettings(dir));

/** Whether the tokenizer of a folder has a chat template. */
export const hasChatTemplate = async (dir: string): Promise<boolean> =>
  (await readChatTemplate(dir)) !== undefined;

/**
 * The text that the model reads when a user says `message`, up to where the answer begins. Throws
 * `checkpoint/no-chat-template` and `checkpoint/bad-chat-template`.
 */
export async function renderChat(dir: string, message: string): Promise<string> {
  const settings = await readSettings(dir);
  const template =
    (await findTemplate(dir, settings)) ?? refuse('checkpoint/no-chat-template', { path: dir });
  const tokens = tokenNames.flatMap((name) => {
    const token = settings[name];
    return token ? [[name, typeof token === 'string' ? token : token.content] as const] : [];
  });
  try {
    return new Template(template).render({
      messages: [{ role: 'user', content: message }],
      add_generation_prompt: true,
      ...Object.fromEntries(tokens),
    });
  } catch (error) {
    return refuse('checkpoint/bad-chat-template', { path: dir, why: (error as Error).message });
  }
}

/** chat_template.jinja, else the template of tokenizer_config.json; of several, the one named `default`. */
async function findTemplate(dir: string, settings: Settings): Promise<string | undefined> {
  const file = await readInside(dir, 'chat_template.jinja');
  if (file) return file.toString('utf8');
  const found = settings.chat_template ?? undefined;
  if (typeof found !== 'object') return found;
  return (found.find(({ name }) => name === 'default') ?? found[0])?.template;
}

/** tokenizer_config.json; nothing if the folder has none, or another form, which opening the tokenizer reports. */
async function readSettings(dir: string): Promise<Settings> {
  const file = await readInside(dir, 'tokenizer_config.json');
  if (!file) return {};
  return parseJsonIfValid(file.toString('utf8'), settingsSchema) ?? {};
}
