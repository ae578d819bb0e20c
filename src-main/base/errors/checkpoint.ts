/** @file Errors of checkpoints: config.json, weights, tokenizer and safetensors files. */
import { listNames, type ErrorText } from './text.ts';

export const checkpointErrors = {
  'checkpoint/no-config': (d: { path: string }): ErrorText => [
    `${d.path} has no config.json`,
    'Choose the folder of a Hugging Face checkpoint.',
  ],
  'checkpoint/bad-config': (d: { path: string; key: string; why: string }): ErrorText => [
    `${d.path}: ${d.key} ${d.why}`,
    'Compare config.json with the original on the Hub.',
  ],
  'checkpoint/unknown-family': (d: { type: string; known: readonly string[]; why?: string }): ErrorText => [
    `Cambium does not support the model_type "${d.type}"${d.why === undefined ? '' : `: ${d.why}`}`,
    `The supported ones are ${listNames(d.known, 20)}.`,
  ],
  'checkpoint/unsupported': (d: { what: string; why: string }): ErrorText => [
    `${d.what} is not supported: ${d.why}`,
    'Use a checkpoint without it.',
  ],
  'checkpoint/quantized': (d: { path: string; how: string }): ErrorText => [
    `${d.path} is quantized (${d.how})`,
    'Start from the full-precision checkpoint, or dequantize it first.',
  ],
  'checkpoint/adapter': (d: { path: string }): ErrorText => [
    `${d.path} is an adapter without its base model`,
    'Merge the adapter into its base model first.',
  ],
  'checkpoint/pickle-only': (d: { path: string; file: string }): ErrorText => [
    `${d.path} has its weights only as a pickle (${d.file}), which can run code when it is opened`,
    'Convert it with transformers: from_pretrained(…).save_pretrained(…, safe_serialization=True).',
  ],
  'checkpoint/no-weights': (d: { path: string }): ErrorText => [
    `${d.path} has no .safetensors file`,
    'Check that the download is complete.',
  ],
  'checkpoint/missing-shard': (d: { path: string; file: string }): ErrorText => [
    `${d.path} lacks ${d.file}, a shard that its index lists`,
    'Download the missing file again.',
  ],
  'checkpoint/shard-outside': (d: { path: string; file: string }): ErrorText => [
    `the index of ${d.path} lists a file outside of the folder: ${d.file}`,
    'Do not trust this checkpoint; download it again from its source.',
  ],
  'checkpoint/missing-blob': (d: { path: string; file: string; blob: string; repo: string }): ErrorText => [
    `${d.file} in ${d.path} is a link to the blob ${d.blob}, which is missing from the Hugging Face cache`,
    `Download the model again: cambium download ${d.repo}, or: hf download ${d.repo}.`,
  ],
  'checkpoint/broken-link': (d: { path: string; target: string }): ErrorText => [
    `${d.path} is a link to ${d.target}, which does not exist`,
    'Restore the file that it points to, or put the file itself into the folder.',
  ],
  'checkpoint/link-outside': (d: { path: string; target: string }): ErrorText => [
    `${d.path} is a link to ${d.target}, outside of the model's folder`,
    'If you trust the file, copy it into the folder; links may only point into the folder or its cache repository.',
  ],
  'checkpoint/cache-repository': (d: {
    path: string;
    repo: string;
    snapshots: readonly string[];
  }): ErrorText => [
    `${d.path} belongs to the repository ${d.repo} in the Hugging Face cache and is not a model's folder`,
    d.snapshots.length > 0
      ? `Open its snapshot: ${d.snapshots[0]!}.`
      : `It has no snapshot with a config.json; download the model again: cambium download ${d.repo}.`,
  ],
  'checkpoint/cache': (d: {
    path: string;
    models: readonly string[];
    snapshots: readonly string[];
  }): ErrorText => [
    `${d.path} is a Hugging Face cache with ${d.models.length} models: ${listNames(d.models)}`,
    d.snapshots.length > 0 ? `Open a snapshot, such as ${d.snapshots[0]!}.` : 'Open the snapshot of a model.',
  ],
  'checkpoint/missing-tensors': (d: { path: string; names: readonly string[] }): ErrorText => [
    `${d.path} lacks ${d.names.length} weights: ${listNames(d.names)}`,
    'Check that the download is complete and that config.json belongs to this model.',
  ],
  'checkpoint/unknown-tensors': (d: { path: string; names: readonly string[] }): ErrorText => [
    `${d.path} has ${d.names.length} weights that its architecture does not define: ${listNames(d.names)}`,
    'Use a checkpoint of the plain architecture; Cambium does not drop weights silently.',
  ],
  'checkpoint/stored-twice': (d: { path: string; names: readonly string[] }): ErrorText => [
    `${d.path} stores one weight under several names: ${listNames(d.names)}`,
    'Remove all but one of them, or load and save the checkpoint with transformers.',
  ],
  'checkpoint/wrong-shape': (d: {
    path: string;
    name: string;
    found: readonly number[];
    expected: readonly number[];
  }): ErrorText => [
    `${d.path}: ${d.name} has shape [${d.found.join(', ')}], but config.json implies [${d.expected.join(', ')}]`,
    'Check that config.json and the weights belong to the same model.',
  ],
  'checkpoint/not-finite': (d: { path: string; name: string; count: number }): ErrorText => [
    `${d.path}: ${d.name} has ${d.count} values that are not finite`,
    'The checkpoint is damaged, or its training diverged; use an earlier one.',
  ],
  'checkpoint/overflow': (d: { name: string; dtype: string; count: number }): ErrorText => [
    `${d.count} values of ${d.name} are too large for ${d.dtype}`,
    'Choose float32 or bfloat16.',
  ],
  'checkpoint/no-tokenizer': (d: { path: string }): ErrorText => [
    `${d.path} has no tokenizer.json, and no vocab.json with merges.txt`,
    'Copy the tokenizer files of the model into the folder.',
  ],
  'checkpoint/no-chat-template': (d: { path: string }): ErrorText => [
    `the tokenizer of ${d.path} has no chat template`,
    'Generate from a plain prompt, or add chat_template.jinja to the folder.',
  ],
  'checkpoint/bad-chat-template': (d: { path: string; why: string }): ErrorText => [
    `the chat template of ${d.path} cannot be rendered: ${d.why}`,
    'Generate from a plain prompt, or replace the template by that of the original model.',
  ],
  'checkpoint/sentencepiece-only': (d: { path: string; file: string }): ErrorText => [
    `the tokenizer of ${d.path} is only there as ${d.file}, which Cambium does not read`,
    'Make tokenizer.json in Python (from transformers import AutoTokenizer; ' +
      `AutoTokenizer.from_pretrained(${JSON.stringify(d.path)}).save_pretrained(${JSON.stringify(d.path)})).`,
  ],
  'checkpoint/bad-tokenizer': (d: { path: string; why: string }): ErrorText => [
    `the tokenizer of ${d.path} cannot be read: ${d.why}`,
    'Download tokenizer.json and tokenizer_config.json again.',
  ],

  'safetensors/truncated': (d: { path: string; expected: number; found: number }): ErrorText => [
    `${d.path} has ${d.found} bytes, but its header requires ${d.expected}`,
    'The download was cut off; download the file again.',
  ],
  'safetensors/bad-header': (d: { path: string; why: string }): ErrorText => [
    `${d.path} has a damaged header: ${d.why}`,
    'Download the file again; if the error stays, it is not a safetensors file.',
  ],
  'safetensors/unknown-dtype': (d: { path: string; name: string; dtype: string }): ErrorText => [
    `${d.path}: ${d.name} has dtype ${d.dtype}`,
    'Cambium reads F32, F16 and BF16 weights; convert the checkpoint first.',
  ],

  'gguf/bad-file': (d: { path: string; why: string }): ErrorText => [
    `${d.path} is no GGUF file that Cambium can read: ${d.why}`,
    'Write it again, or download it again.',
  ],
  'gguf/unsupported': (d: { why: string; hasConverter: boolean }): ErrorText => [
    `llama.cpp cannot run this model as it is: ${d.why}`,
    d.hasConverter
      ? "Export it as safetensors and try llama.cpp's converter: " +
        'python convert_hf_to_gguf.py MODEL --outfile model-f16.gguf --outtype f16'
      : 'Export it as safetensors or ONNX instead.',
  ],
  'gguf/tokenizer': (d: { path: string; why: string }): ErrorText => [
    `the tokenizer in ${d.path} cannot be written into a GGUF file: ${d.why}`,
    "Export the model as safetensors and try llama.cpp's converter: " +
      'python convert_hf_to_gguf.py MODEL --outfile model-f16.gguf --outtype f16',
  ],
} as const;
