/** @file Errors of training text. */
import { formatBytes } from '../format.ts';
import { listNames, type ErrorText } from './text.ts';

export const trainingTextErrors = {
  'data/empty': (d: { path: string; tokens: number; needed: number; leftOut?: number }): ErrorText => [
    `${d.path} has ${d.tokens} tokens but ${d.needed} are needed` +
      (d.leftOut ? ` (${d.leftOut} records without text were left out)` : ''),
    'Add more text, or shorten the context length.',
  ],
  'data/no-files': (d: { path: string }): ErrorText => [
    `${d.path} has no text that can be read`,
    'Choose .txt, .jsonl, .json, .csv or .parquet files (gzip and zstd are read too), ' +
      'or a folder or pattern that contains some.',
  ],
  'data/arrow': (d: { path: string }): ErrorText => [
    `${d.path} contains Arrow files, which Cambium does not read`,
    'Convert it in Python with datasets.load_from_disk(…).to_parquet("train.parquet") and choose that file.',
  ],
  'data/several-configs': (d: { path: string; names: readonly string[] }): ErrorText => [
    `${d.path} contains ${d.names.length} datasets: ${listNames(d.names, 8)}`,
    'Choose the folder of one of them.',
  ],
  'data/no-column': (d: { path: string; column: string; found: readonly string[] }): ErrorText => [
    `${d.path} has no field or column "${d.column}"`,
    `Choose the one with the text, with --field; there are ${listNames(d.found, 12)}.`,
  ],
  'data/bad-parquet': (d: { path: string; why: string }): ErrorText => [
    `${d.path} cannot be read as Parquet: ${d.why}`,
    'Download the file again; if the error stays, write it again with pyarrow or datasets.',
  ],
  'data/bad-line': (d: { path: string; line: number; why: string; unit?: 'row' }): ErrorText => [
    `${d.path}, ${d.unit ?? 'line'} ${d.line}: ${d.why}`,
    'A file of documents has one JSON object per line, a list of objects, or rows; ' +
      '--field names the one with the text.',
  ],
  'data/too-long': (d: { path: string; line: number; limit: number }): ErrorText => [
    `${d.path}, line ${d.line}: the value is longer than ${d.limit} characters`,
    'Split it into several documents.',
  ],
  'data/no-cut': (d: { path: string; limit: number }): ErrorText => [
    `${d.path} has a piece of more than ${d.limit} characters that cannot be cut without changing its tokens`,
    'Split the text into several documents or files.',
  ],
  'data/large-row-group': (d: { path: string; index: number; rows: number; bytes: number }): ErrorText => [
    d.bytes > 0
      ? `row group ${d.index} of ${d.path} unpacks to ${formatBytes(d.bytes)}, which does not fit in memory`
      : `row group ${d.index} of ${d.path} has ${d.rows} rows, which do not fit in memory`,
    'Write the file again with smaller row groups, such as row_group_size=10000 in pyarrow.',
  ],
  'data/bad-token-file': (d: { path: string; why: string }): ErrorText => [
    `the token file ${d.path} cannot be read: ${d.why}`,
    'Use token files of nanoGPT (uint16), llm.c, or Megatron-LM (.bin with its .idx), or the text itself.',
  ],
  'data/token-range': (d: { path: string; token: number; at: number; vocabSize: number }): ErrorText => [
    `token ${d.at} of ${d.path} is ${d.token}, but the model has ${d.vocabSize} tokens`,
    'Use token files that were made with the tokenizer of this model.',
  ],
  'data/tokens-not-text': (d: { path: string }): ErrorText => [
    `${d.path} has tokens, not text`,
    'Choose the text itself here; training reads token files.',
  ],
  'data/only-streamed': (d: { name: string }): ErrorText => [
    `${d.name} is a dataset of the Hub, which only training and its preview read`,
    'Download its Parquet files, for example with `hf download --repo-type dataset`, and choose their folder.',
  ],
  'data/stream-changed': (d: { name: string; block: number }): ErrorText => [
    `block ${d.block} of ${d.name} is not what this run read before`,
    'The dataset or the version of Cambium has changed; start a new run.',
  ],
  'data/stream-damaged': (d: { path: string }): ErrorText => [
    `${d.path} is damaged`,
    'Start a new run; a run with a streamed dataset needs the record of what it reads.',
  ],
  'data/stream-tokenizer': (d: { name: string }): ErrorText => [
    `the tokenizer is not the one with which this run reads ${d.name}`,
    'Restore the tokenizer of the checkpoint, or start a new run.',
  ],
  'data/stream-disk': (d: { name: string; needed: number; limit: number }): ErrorText => [
    `two shuffle buffers of ${d.name} need ${formatBytes(d.needed)}, more than the ${formatBytes(d.limit)} of disk ` +
      'that the run may use for streamed text',
    'Raise --stream-disk, or lower --shuffle-windows.',
  ],
  'data/tokens-damaged': (d: { path: string; why: string }): ErrorText => [
    `the token file ${d.path} is damaged: ${d.why}`,
    'Delete it; Cambium makes it again from the text.',
  ],
} as const;
