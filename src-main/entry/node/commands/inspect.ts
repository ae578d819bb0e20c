/** @file cambium inspect: describes a checkpoint. */
import { resolve } from 'node:path';
import { deviceChoices } from '../../../base/device.ts';
import { formatBytes, formatCount, formatInteger } from '../../../base/format.ts';
import type { CheckpointSummary, CheckResult } from '../../../contract/schema.ts';
import { describeCertificate } from '../../../service/catalog.ts';
import { readChoice, refuseUsage } from '../arguments.ts';
import { checkReportFile, reportFormatOf, writeReportFile } from '../certificate-flags.ts';
import { deviceFlag, getText, jsonFlag, type AddCommand, type Context } from '../command.ts';
import { exits, table } from '../output.ts';

const examples = `
Examples:
  cambium inspect ./model
  cambium inspect ./model --json | tail -n 1 | jq .parameters
  cambium inspect ./model --check --text sample.txt
  cambium inspect ./grown --report certificate.html

Exit codes: 0 done; 3 with --check: the loss is not that of a trained model; 1 failed.`;

export const inspect: AddCommand = (program, run) => {
  program
    .command('inspect')
    .argument('<dir>', 'folder of a Hugging Face checkpoint')
    .description('show the family, sizes, parameters, types and tokenizer of a checkpoint')
    .option(...jsonFlag)
    .option('--tensors', 'list every weight')
    .option(
      '--report <file>',
      'write the stored certificate of a grown checkpoint as a web page (.html) or as .json; it must not exist',
    )
    .option('--check', 'measure the loss on a text, and judge whether a trained model has it')
    .option('--text <file>', 'with --check: the text (default: a built-in English text)')
    .option(...deviceFlag)
    .addHelpText('after', examples)
    .action(
      run(async (context, dir) => {
        const { api, out, options } = context;
        const text = getText(options['text']);
        if (text !== undefined && options['check'] !== true) refuseUsage('--text needs --check');
        const report = getText(options['report']);
        if (report !== undefined) checkReportFile(report);
        const summary = await api.openCheckpoint({ dir: resolve(dir!) });
        if (report !== undefined) await writeReport(context, summary.dir, report);
        const check = options['check'] === true ? await measure(context, summary.dir, text) : undefined;
        const weights = options['tensors'] === true ? `\n\n${tabulateWeights(summary)}` : '';
        const checked = check ? `\n\n${describeCheck(check)}` : '';
        out.result(check ? { ...summary, check } : summary, describeCheckpoint(summary) + checked + weights);
        return check && check.verdict !== 'plausible' ? exits.notProven : exits.ok;
      }),
    );
};

/** Writes the stored certificate of the checkpoint in `dir`. */
async function writeReport({ api, out }: Context, dir: string, path: string): Promise<void> {
  const { text } = await api.certificateReport({ dir, format: reportFormatOf(path) });
  await writeReportFile(path, text);
  out.note(`Report: ${path}`);
}

function describeCheckpoint(summary: CheckpointSummary): string {
  const { dir, familyTitle, dims, parameters, groups, tensors, shards, dtypes, bytes, tied } = summary;
  const { tokenizer, grownFrom, notes = [], ignored = [] } = summary;
  const sizes = Object.entries(dims).map(([name, size]) => `${name} ${size}`);
  const counts = Object.entries(groups)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${formatCount(count)}`);
  const files = `${shards} ${shards === 1 ? 'file' : 'files'}`;
  const rows: (readonly [string, string])[] = [
    ['Checkpoint', dir],
    ['Family', familyTitle],
    ['Sizes', sizes.join(', ')],
    ['Parameters', `${formatCount(parameters)} (${counts.join(', ')})`],
    ['Weights', `${tensors.length} in ${files}, ${dtypes.join(' and ')}, ${formatBytes(bytes)}`],
    ['LM head', tied ? 'tied to the token embeddings' : 'separate weights'],
    ['Tokenizer', tokenizer ? `${tokenizer.kind}, ${tokenizer.size} tokens` : 'none'],
  ];
  if (grownFrom) rows.push(['Grown from', describeGrowth(grownFrom)]);
  if (ignored.length > 0) rows.push(['Ignored', `${listSome(ignored)}: buffers, no weights`]);
  rows.push(...notes.map((note) => ['Note', note] as const));
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n');
}

/** The first names of a list, and how many follow. */
const listSome = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 2).join(', ')} and ${names.length - 2} more`;

const measure = (
  { api, options, signal }: Context,
  dir: string,
  text: string | undefined,
): Promise<CheckResult> =>
  api.checkCheckpoint(
    {
      dir,
      device: readChoice('--device', String(options['device']), deviceChoices),
      ...(text === undefined ? {} : { text: resolve(text) }),
    },
    signal,
  );

const verdicts: Readonly<Record<CheckResult['verdict'], string>> = {
  plausible: 'Plausible for a trained model',
  implausible: 'Implausible for a trained model',
  'untrained-looking': 'It looks untrained',
};

function describeCheck(check: CheckResult): string {
  const { verdict, why, loss, uniform, unigram, entropy, byPosition, tokens, text, device } = check;
  const rows: (readonly [string, number])[] = [
    ['Loss of the model', loss],
    ['Loss by the frequencies of the tokens', unigram],
    ['Loss of uniform predictions', uniform],
    ['Entropy of the predictions', entropy],
    ...(byPosition
      ? ([
          ['Loss at the first 16 positions', byPosition.first],
          ['Loss at the last 16 positions', byPosition.last],
        ] as const)
      : []),
  ];
  const otherText = 'Give the kind of text that the model was trained on with --text.';
  const compare =
    'If it stays so, config.json or the weights may be read wrongly: cambium verify DIR --against transformers.';
  return [
    `${verdicts[verdict]}: ${why}`,
    `  on ${formatInteger(tokens)} tokens (${text}), ${device}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(40)}${value.toFixed(4)} nats per token`),
    ...(verdict === 'implausible' ? [otherText] : []),
    ...(verdict === 'plausible' ? [] : [compare]),
  ].join('\n');
}

function describeGrowth({
  source,
  method,
  certificate,
}: NonNullable<CheckpointSummary['grownFrom']>): string {
  const result = certificate ? `. ${describeCertificate(certificate).title}` : '';
  return `${source} by ${method}${result}`;
}

const tabulateWeights = ({ tensors }: CheckpointSummary): string =>
  table([
    ['weight', 'shape', 'dtype'],
    ...tensors.map(({ name, shape, dtype }) => [name, `[${shape.join(', ')}]`, dtype]),
  ]);
