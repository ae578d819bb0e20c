/** @file The flags of the text of a certificate, and the report file. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { Command } from 'commander';
import type { CertificateText } from '../../contract/schema.ts';
import { flagOf, readWhole, refuseUsage } from './arguments.ts';
import { collect, getText, getTexts, type Options } from './command.ts';

/** The parts of a certificate's text. The command `grow` has them with a prefix. */
const parts = ['data', 'field', 'tokens', 'contextLength'] as const;
type Part = (typeof parts)[number];

const optionOf = (part: Part, prefix: string): string =>
  prefix === '' ? part : `${prefix}${part[0]!.toUpperCase()}${part.slice(1)}`;

/** Adds the flags of the text that the models are compared on. */
export function addCertificateTextFlags(command: Command, prefix = ''): Command {
  const flag = (part: Part): string => flagOf(optionOf(part, prefix));
  return command
    .option(
      `${flag('data')} <path>`,
      'the text to compare on: a text, .jsonl or .parquet file, a pattern, or a folder; may be repeated ' +
        '(default: a built-in text, continued by the source)',
      collect,
    )
    .option(`${flag('field')} <name>`, 'the JSON field or column with the text (default: text)')
    .option(`${flag('tokens')} <n>`, 'compare on at most this many tokens (default: 1M)')
    .option(
      `${flag('contextLength')} <tokens>`,
      "tokens per sequence (default: the source's context length, at most 1024)",
    );
}

/** The text of a certificate; undefined for the built-in one. The other flags without data are a usage error. */
export function readCertificateText(options: Options, prefix = ''): CertificateText | undefined {
  const valueOf = (part: Part): unknown => options[optionOf(part, prefix)];
  const data = getTexts(valueOf('data')).map((path) => resolve(path));
  if (data.length === 0) {
    const other = parts.find((part) => valueOf(part) !== undefined);
    if (other) refuseUsage(`${flagOf(optionOf(other, prefix))} needs ${flagOf(optionOf('data', prefix))}`);
    return undefined;
  }
  const readCount = (part: Part, min: number): number | undefined => {
    const text = getText(valueOf(part));
    return text === undefined ? undefined : readWhole(flagOf(optionOf(part, prefix)), text, min);
  };
  const field = getText(valueOf('field'));
  const tokens = readCount('tokens', 1);
  const contextLength = readCount('contextLength', 2);
  return {
    data,
    ...(field === undefined ? {} : { field }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(contextLength === undefined ? {} : { contextLength }),
  };
}

/** The format of a report by the end of its name. */
export function reportFormatOf(path: string): 'json' | 'html' {
  const end = extname(path).slice(1).toLowerCase();
  return end === 'json' || end === 'html'
    ? end
    : refuseUsage(`--report is "${path}", which ends neither in .html nor in .json`);
}

/** Refuses a report that could not be written, before the work for it. */
export function checkReportFile(path: string): void {
  reportFormatOf(path);
  if (existsSync(resolve(path))) refuse('file/exists', { path });
}

/** Writes a report. Throws `file/exists`, `file/unwritable`. */
export const writeReportFile = (path: string, text: string): Promise<void> =>
  writeFile(resolve(path), text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) =>
    error.code === 'EEXIST'
      ? refuse('file/exists', { path })
      : refuse('file/unwritable', { path, why: error.message }),
  );
