/**
 * @file Which files of a repository make a model here: config, tokenizer, safetensors, card and licence;
 * nothing of other frameworks, nothing twice.
 */
import type { HubFile } from '../../model/hub.ts';

const beside =
  /^(config\.json|generation_config\.json|tokenizer.*\.json|tokenizer\.model|.*\.tiktoken|special_tokens_map\.json|added_tokens\.json|vocab\..+|merges\.txt|chat_template\.(jinja|json)|growth\.json|readme\.md|(licen[sc]e|notice|use_policy).*)$/i;

/**
 * The files to fetch: `shards` and what stands beside them, the index only where there are several. Files in
 * folders are of other programs.
 */
export function neededFiles(files: readonly HubFile[], shards: readonly string[]): readonly HubFile[] {
  const weights = new Set(shards);
  const index = shards.length > 1 ? 'model.safetensors.index.json' : '';
  return files.filter(
    ({ path }) => weights.has(path) || path === index || (!path.includes('/') && beside.test(path)),
  );
}
