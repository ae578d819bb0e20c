/** @file cambium inspect: what a checkpoint is. */
import { resolve } from 'node:path';
import { showBytes, showCount } from '../../../base/units.ts';
import type { CheckpointCard } from '../../../contract/schema.ts';
import type { AddCommand } from '../command.ts';
import { table } from '../output.ts';

export const inspect: AddCommand = (program, run) => {
  program
    .command('inspect')
    .argument('<dir>', 'folder of a Hugging Face checkpoint')
    .description('say what a checkpoint is: family, sizes, parameters, dtypes, tokenizer')
    .option('--json', 'one JSON object as the last line of standard output')
    .option('--tensors', 'list every weight')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium inspect ./model\n  cambium inspect ./model --json | tail -n 1 | jq .parameters',
    )
    .action(
      run(async ({ api, out, options }, dir) => {
        const card = await api.openCheckpoint({ dir: resolve(dir!) });
        out.result(card, describe(card, options['tensors'] === true));
        return undefined;
      }),
    );
};

function describe(card: CheckpointCard, tensors: boolean): string {
  const rows: [string, string][] = [
    ['Checkpoint', card.dir],
    ['Family', card.familyTitle],
    [
      'Sizes',
      Object.entries(card.dims)
        .map(([name, size]) => `${name} ${size}`)
        .join(', '),
    ],
    [
      'Parameters',
      `${showCount(card.parameters)} (${Object.entries(card.groups)
        .filter(([, n]) => n > 0)
        .map(([name, n]) => `${name} ${showCount(n)}`)
        .join(', ')})`,
    ],
    [
      'Weights',
      `${card.tensors.length} in ${card.shards} ${card.shards === 1 ? 'file' : 'files'}, ${card.dtypes.join(' and ')}, ${showBytes(card.bytes)}`,
    ],
    ['Head', card.tied ? 'tied to the token table' : 'of its own'],
    ['Tokenizer', card.tokenizer ? `${card.tokenizer.kind}, ${card.tokenizer.size} tokens` : 'none'],
  ];
  if (card.grownFrom)
    rows.push([
      'Grown from',
      `${card.grownFrom.source} by ${card.grownFrom.method}${card.grownFrom.certificate ? (card.grownFrom.certificate.passed ? ', proven' : ', not proven') : ''}`,
    ]);
  const list = tensors
    ? `\n\n${table([['weight', 'shape', 'dtype'], ...card.tensors.map((t) => [t.name, `[${t.shape.join(', ')}]`, t.dtype])])}`
    : '';
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n') + list;
}
