/** @file cambium evaluate: loss, perplexity and bits per byte on a text, or accuracy on multiple-choice questions. */
import { resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { formatQuantity, formatBytes, formatPercent } from '../../../base/format.ts';
import { deviceChoices } from '../../../base/device.ts';
import { describeLeftOutRecords } from '../../../contract/left-out.ts';
import type { ChoicesResult, Evaluation } from '../../../contract/schema.ts';
import { findFlag, readChoice, readWhole, refuseUsage } from '../arguments.ts';
import {
  collect,
  deviceFlag,
  getText,
  getTexts,
  jsonFlag,
  type AddCommand,
  type Context,
  type Options,
} from '../command.ts';
import { addFormerFlag } from '../setting-flags.ts';
import { toRunId } from './runs.ts';

const defaultBatchSize = 8;

const examples = `
Examples:
  cambium evaluate ./model --data held-out.txt
  cambium evaluate ./model --questions samples_arc_easy.jsonl
  cambium evaluate ./run --data held-out.txt --json | tail -n 1 | jq .bitsPerByte`;

export const evaluate: AddCommand = (program, run) => {
  const command = program
    .command('evaluate')
    .argument('<dir|run>', 'a checkpoint, or a run (its newest weights)')
    .description(
      'measure loss, perplexity and bits per byte on a text, or accuracy on multiple-choice questions',
    )
    .option(
      '--questions <file>',
      'a .jsonl file of questions, as logged by lm-evaluation-harness, or {"question", "choices", "answer"}',
    )
    .option('--limit <n>', 'evaluate at most this many questions (default: all)')
    .option(
      '--data <path>',
      'a text, .jsonl, .json, .csv, .tsv or .parquet file, a pattern, or a folder; may be repeated',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option(
      '--context-length <tokens>',
      'tokens per sequence (default: the positions of the model, at most 256)',
    )
    .option('--batch-size <n>', `sequences per forward pass (default: ${defaultBatchSize})`)
    .option('--tokens <n>', 'evaluate at most this many tokens (default: all)')
    .option(...deviceFlag)
    .option(...jsonFlag)
    .addHelpText('after', examples);
  addFormerFlag(command, 'sequence');
  addFormerFlag(command, 'batch');
  command.action(
    run(async (context, id) => {
      const { options } = context;
      const hasQuestions = options['questions'] !== undefined;
      const hasData = options['data'] !== undefined;
      if (hasQuestions === hasData) refuseUsage('give either --data or --questions');
      await (hasQuestions ? evaluateQuestions : evaluateText)(context, toRunId(id!));
      return undefined;
    }),
  );
};

const readDevice = (options: Options): (typeof deviceChoices)[number] =>
  readChoice('--device', String(options['device']), deviceChoices);

/** Reads a whole number from a flag, or from its former name. */
function readRenamed(options: Options, id: string, formerId: string, min: number): number | undefined {
  const given = findFlag(options, id, formerId);
  return given && readWhole(given.flag, given.text, min);
}
const readBatchSize = (options: Options): number =>
  readRenamed(options, 'batchSize', 'batch', 1) ?? defaultBatchSize;

async function evaluateText({ api, out, options, signal }: Context, checkpoint: string): Promise<void> {
  const limit = getText(options['tokens']);
  const contextLength = readRenamed(options, 'contextLength', 'sequence', 2);
  let evaluation: Evaluation | undefined;
  const events = api.evaluate(
    {
      checkpoint,
      data: getTexts(options['data']).map((file) => resolve(file)),
      field: String(options['field']),
      device: readDevice(options),
      ...(contextLength === undefined ? {} : { contextLength }),
      batchSize: readBatchSize(options),
      ...(limit === undefined ? {} : { tokens: readWhole('--tokens', limit, 1) }),
    },
    signal,
  );
  for await (const event of events) {
    if (event.type === 'tokens') out.progress('Evaluating', event.done, event.of);
    else ({ evaluation } = event);
  }
  out.result(evaluation, describeEvaluation(evaluation ?? refuseEmpty()));
}

async function evaluateQuestions({ api, out, options, signal }: Context, checkpoint: string): Promise<void> {
  const limit = getText(options['limit']);
  let result: ChoicesResult | undefined;
  const events = api.evaluateChoices(
    {
      checkpoint,
      questions: resolve(String(options['questions'])),
      batchSize: readBatchSize(options),
      device: readDevice(options),
      ...(limit === undefined ? {} : { limit: readWhole('--limit', limit, 1) }),
    },
    signal,
  );
  for await (const event of events) {
    if (event.type === 'choices') out.progress('Evaluating', event.done, event.of);
    else result = event.answers;
  }
  out.result(result, describeAccuracy(result ?? refuseEmpty()));
}

const refuseEmpty = (): never => refuse('engine/crashed', { how: 'it ended without a result', lines: '' });

function describeEvaluation(e: Evaluation): string {
  const loss = `loss ${e.loss.toFixed(4)} nats per token`;
  const perplexity = `perplexity ${e.perplexity.toPrecision(5)}`;
  const bits = `${e.bitsPerByte.toFixed(4)} bits per byte`;
  const tokens = `${formatQuantity(e.tokens, 'token')} (${formatBytes(e.bytes)})`;
  const documents = formatQuantity(e.documents, 'document');
  const leftOut = describeLeftOutRecords(e.leftOut);
  return [
    `${loss}, ${perplexity}, ${bits}`,
    `  on ${tokens} of ${documents}, ${e.contextLength} at a time, ${e.device}`,
    ...(leftOut === undefined ? [] : [leftOut]),
  ].join('\n');
}

/** acc and acc_norm of lm-evaluation-harness, with their standard errors. */
function describeAccuracy(r: ChoicesResult): string {
  const withError = (share: number, error: number): string =>
    `${formatPercent(share, 2)} ± ${(100 * error).toFixed(2)}`;
  const accuracy = `accuracy ${withError(r.accuracy, r.error)}`;
  const normalized = `${withError(r.perByte, r.perByteError)} by likelihood per byte`;
  return `${accuracy}, ${normalized}\n  on ${r.questions} questions, ${r.device}`;
}
