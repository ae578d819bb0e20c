/** @file Selects the files of a repository that Cambium needs, and those that it pushes. */
import type { HubFile } from '../../model/hub.ts';
import { auxiliaryPatterns, createNamePattern } from '../checkpoint/auxiliary-files.ts';
import { safetensorsIndexFile } from '../checkpoint/shards.ts';

const licensePatterns = ['licen[sc]e.*', 'notice.*', 'use_policy.*'];

const neededName = createNamePattern([
  ...auxiliaryPatterns,
  ...licensePatterns,
  'config\\.json',
  'growth\\.json',
  '.*\\.tiktoken',
  'readme\\.md',
]);

/** Names that a push accepts besides the weights and Cambium's records. */
export const pushedName = createNamePattern([
  ...auxiliaryPatterns,
  ...licensePatterns,
  'config\\.json',
  'model\\.safetensors\\.index\\.json',
  'readme\\.md',
  '.*\\.(svg|png)',
  'model\\.onnx(\\.data|_data)?',
  'events\\.out\\.tfevents.*',
  '\\.gitattributes',
]);

/**
 * The files to download: config, tokenizer, license, model card and the given `shards`, with their index if
 * there are several. Files in folders belong to other frameworks.
 */
export function selectModelFiles(files: readonly HubFile[], shards: readonly string[]): readonly HubFile[] {
  const weights = new Set(shards);
  if (shards.length > 1) weights.add(safetensorsIndexFile);
  return files.filter(({ path }) => weights.has(path) || (!path.includes('/') && neededName.test(path)));
}
