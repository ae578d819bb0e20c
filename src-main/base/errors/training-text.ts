/** @file Errors of training text. */
import { listNames, type ErrorText } from './text.ts';

export const trainingTextErrors = {
  'data/empty': (d: { path: string; tokens: number; needed: number }): ErrorText => [
    `${d.path} has ${d.tokens} tokens but ${d.needed} are needed`,
    'Add more text, or shorten the context length.',
  ],
  'data/no-files': (d: { path: string }): ErrorText => [
    `${d.path} has no text that can be read`,
    'Choose .txt, .jsonl or .parquet files (gzip and zstd are read too), or a folder or pattern that contains some.',
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
    `${d.path} has no column ${d.column}`,
    `Choose the column with the text; there are ${listNames(d.found, 12)}.`,
  ],
  'data/bad-parquet': (d: { path: string; why: string }): ErrorText => [
    `${d.path} cannot be read as Parquet: ${d.why}`,
    'Download the file again; if the error stays, write it again with pyarrow or datasets.',
  ],
  'data/bad-line': (d: { path: string; line: number; why: string }): ErrorText => [
    `${d.path}, line ${d.line}: ${d.why}`,
    'Each line of a .jsonl file is one JSON object with a "text" field.',
  ],
  'data/tokens-damaged': (d: { path: string; why: string }): ErrorText => [
    `the token file ${d.path} is damaged: ${d.why}`,
    'Delete it; Cambium makes it again from the text.',
  ],
} as const;
