/**
 * @file cambium evaluate: loss, perplexity and bits per byte on a text; or accuracy on multiple-choice
 * questions.
 */
import { resolve } from 'node:path';
import { appError } from '../../../base/errors.ts';
import type { Answers, Evaluation } from '../../../contract/schema.ts';
import type { Service } from '../../../contract/service.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { collect, text, texts, type AddCommand } from '../command.ts';
import { devices } from '../following.ts';
import type { Output } from '../output.ts';
import { runGiven } from './runs.ts';

export const evaluate: AddCommand = (program, run) => {
  program
    .command('evaluate')
    .argument('<dir|run>', 'a checkpoint, or a run (its newest weights)')
    .description(
      'measure loss, perplexity and bits per byte on a text, or accuracy on multiple-choice questions',
    )
    .option(
      '--questions <file>',
      'a .jsonl file of questions, as lm-evaluation-harness logs them or {"question", "choices", "answer"}',
    )
    .option('--limit <n>', 'at most so many questions; by default all')
    .option(
      '--data <what>',
      'a text, .jsonl or .parquet file, a pattern, or a folder; may be repeated',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option('--sequence <tokens>', 'tokens per sequence', '256')
    .option('--batch <sequences>', 'sequences at once', '8')
    .option('--tokens <n>', 'at most so many tokens; by default all')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium evaluate ./model --data held-out.txt\n  cambium evaluate ./model --questions samples_arc_easy.jsonl\n  cambium evaluate ./run --data held-out.txt --json | tail -n 1 | jq .bitsPerByte',
    )
    .action(
      run(async ({ api, out, options, signal }, dir) => {
        if ((options['questions'] === undefined) === (options['data'] === undefined))
          throw appError('usage', { why: 'give either --data or --questions' });
        if (options['questions'] !== undefined) {
          await answers(api, out, options, signal, dir!);
          return undefined;
        }
        const most = text(options['tokens']);
        let evaluation: Evaluation | undefined;
        for await (const event of api.evaluate(
          {
            checkpoint: runGiven(dir!),
            data: texts(options['data']).map((file) => resolve(file)),
            field: String(options['field']),
            device: readChoice('--device', String(options['device']), devices),
            sequence: readWhole('--sequence', String(options['sequence']), 2),
            batch: readWhole('--batch', String(options['batch']), 1),
            ...(most === undefined ? {} : { tokens: readWhole('--tokens', most, 1) }),
          },
          signal,
        )) {
          if (event.at === 'tokens') out.progress('Evaluating', event.done, event.of);
          else evaluation = event.evaluation;
        }
        if (!evaluation) throw appError('engine/crashed', { how: 'it ended without an answer', lines: '' });
        const { loss, perplexity, bitsPerByte, tokens, bytes, device } = evaluation;
        out.result(
          evaluation,
          `loss ${loss.toFixed(4)} nats per token, perplexity ${perplexity.toPrecision(5)}, ${bitsPerByte.toFixed(4)} bits per byte\n  on ${tokens} tokens (${bytes} bytes), ${device}`,
        );
        return undefined;
      }),
    );
};

async function answers(
  api: Service,
  out: Output,
  options: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  dir: string,
): Promise<void> {
  const limit = text(options['limit']);
  let found: Answers | undefined;
  for await (const event of api.choices(
    {
      checkpoint: runGiven(dir),
      questions: resolve(String(options['questions'])),
      batch: readWhole('--batch', String(options['batch']), 1),
      device: readChoice('--device', String(options['device']), devices),
      ...(limit === undefined ? {} : { limit: readWhole('--limit', limit, 1) }),
    },
    signal,
  )) {
    if (event.at === 'choices') out.progress('Answering', event.done, event.of);
    else found = event.answers;
  }
  if (!found) throw appError('engine/crashed', { how: 'it ended without an answer', lines: '' });
  const percent = (share: number, error: number): string =>
    `${(100 * share).toFixed(2)} % ± ${(100 * error).toFixed(2)}`;
  out.result(
    found,
    `${percent(found.accuracy, found.error)} right by likelihood, ${percent(found.perByte, found.perByteError)} by likelihood per byte\n  of ${found.questions} questions, ${found.device}`,
  );
}
