/** @file cambium tokenize: shows the tokens that training would see, or a summary of the data. */
import { resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { formatBytes, formatInteger, formatPercent } from '../../../base/format.ts';
import { describeLeftOutFiles, describeLeftOutRecords } from '../../../contract/left-out.ts';
import type { TextPreview, TokenizedDocument, TokenizeEvent } from '../../../contract/text.ts';
import { readData, readWhole, refuseUsage } from '../arguments.ts';
import { collect, getText, getTexts, jsonFlag, type AddCommand, type Context } from '../command.ts';
import { table } from '../output.ts';
import { toRunId } from './runs.ts';

const examples = `
Examples:
  cambium tokenize ./model --text "Hello, world"
  cambium tokenize ./model --data corpus.jsonl --limit 3
  cambium tokenize ./model --data corpus.jsonl --json | tail -n 1 | jq '.documents[0].ids'
  cambium tokenize ./model --data web/=3 --data books/=1 --summary`;

/** Documents and tokens that are listed without --json and without --limit. */
const listedDocuments = 10;
const listedTokens = 200;

export const tokenize: AddCommand = (program, run) => {
  program
    .command('tokenize')
    .argument('<dir|run>', 'a checkpoint, or a run')
    .description('show the tokens that training would see, or a summary of the data')
    .option('--text <text>', 'tokenize this text')
    .option(
      '--data <path>',
      'a text, .jsonl, .json, .csv, .tsv or .parquet file, a pattern, or a folder; may be repeated',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option('--limit <n>', 'read at most this many documents')
    .option('--summary', 'count files, documents and tokens, and say what is left out')
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(async (context, id) => {
        const { options } = context;
        if ((options['text'] === undefined) === (options['data'] === undefined))
          refuseUsage('give either --data or --text');
        if (options['summary'] !== true) await listDocuments(context, toRunId(id!));
        else if (options['data'] === undefined) refuseUsage('--summary needs --data');
        else await summarize(context, toRunId(id!));
        return undefined;
      }),
    );
};

const readLimit = ({ options }: Context): number | undefined => {
  const limit = getText(options['limit']);
  return limit === undefined ? undefined : readWhole('--limit', limit, 1);
};

async function listDocuments(context: Context, checkpoint: string): Promise<void> {
  const { api, out, options, signal } = context;
  const text = getText(options['text']);
  const limit = readLimit(context) ?? (out.json ? undefined : listedDocuments);
  const documents: TokenizedDocument[] = [];
  let done: Extract<TokenizeEvent, { type: 'done' }> | undefined;
  const source =
    text === undefined
      ? { data: getTexts(options['data']).map((file) => resolve(file)), field: String(options['field']) }
      : { text };
  for await (const event of api.tokenizeText(
    { checkpoint, ...source, ...(limit === undefined ? {} : { limit }) },
    signal,
  )) {
    if (event.type === 'document') documents.push(event.document);
    else done = event;
  }
  if (!done) return refuse('engine/crashed', { how: 'it ended without a result', lines: '' });
  const { leftOut, notes } = done;
  const lines = [...documents.map(describeDocument), describeLeftOutRecords(leftOut) ?? '', ...notes];
  out.result({ documents, leftOut, notes }, lines.join('\n').trim());
}

/** A document as columns of ids and tokens. */
function describeDocument({ file, ids, tokens, appended }: TokenizedDocument, i: number): string {
  const name = file === null ? 'Text' : `Document ${i + 1} of ${file}`;
  const shown = ids.slice(0, listedTokens).map((id, at) => [id, JSON.stringify(tokens[at])]);
  const rest = ids.length - shown.length;
  const lines = [
    `${name}: ${formatInteger(ids.length)} tokens`,
    table([['id', 'token'], ...shown]),
    ...(rest > 0 ? [`… and ${formatInteger(rest)} more`] : []),
    ...(appended.length > 0 ? [`Training adds the end-of-text token ${appended.join(', ')}.`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

async function summarize(context: Context, checkpoint: string): Promise<void> {
  const { api, out, options, signal } = context;
  const limit = readLimit(context);
  let preview: TextPreview | undefined;
  const request = { checkpoint, ...readData(getTexts(options['data'])), field: String(options['field']) };
  for await (const event of api.previewText(
    { ...request, ...(limit === undefined ? {} : { limit }) },
    signal,
  ))
    if (event.type === 'bytes') out.progress('Tokenizing', event.done, event.of);
    else ({ preview } = event);
  if (!preview) return refuse('engine/crashed', { how: 'it ended without a result', lines: '' });
  out.result(preview, describePreview(preview));
}

function describePreview(preview: TextPreview): string {
  const { tokenizer, items, first, notes, isPartial } = preview;
  const rows = items.map((item) => [
    item.path,
    item.files,
    item.documents,
    item.tokens,
    formatBytes(item.bytes),
    formatPercent(item.share, 1),
  ]);
  const total = ['total', preview.files, preview.documents, preview.tokens, formatBytes(preview.bytes), ''];
  const text = first.tokens.map((token) => JSON.stringify(token)).join(' ');
  return [
    table([
      ['data', 'files', 'documents', 'tokens', 'text', 'share'],
      ...rows,
      ...(items.length > 1 ? [total] : []),
    ]),
    `\nTokenizer: ${tokenizer.type}, ${formatInteger(tokenizer.vocabSize)} tokens`,
    ...(isPartial ? ['Only the first documents were read.'] : []),
    ...[describeLeftOutRecords(preview.leftOut) ?? []].flat(),
    ...items.flatMap(describeLeftOutFiles),
    ...notes,
    `\nThe first document (${first.file}) begins:\n${JSON.stringify(first.text)}\n${text}`,
  ].join('\n');
}
