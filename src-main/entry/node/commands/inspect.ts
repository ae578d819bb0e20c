/** @file cambium inspect: describes a checkpoint. */
import { resolve } from 'node:path';
import { formatBytes, formatCount } from '../../../base/format.ts';
import type { CheckpointSummary } from '../../../contract/schema.ts';
import { describeCertificate } from '../../../service/catalog.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';

const examples = `
Examples:
  cambium inspect ./model
  cambium inspect ./model --json | tail -n 1 | jq .parameters`;

export const inspect: AddCommand = (program, run) => {
  program
    .command('inspect')
    .argument('<dir>', 'folder of a Hugging Face checkpoint')
    .description('show the family, sizes, parameters, types and tokenizer of a checkpoint')
    .option(...jsonFlag)
    .option('--tensors', 'list every weight')
    .addHelpText('after', examples)
    .action(
      run(async ({ api, out, options }, dir) => {
        const summary = await api.openCheckpoint({ dir: resolve(dir!) });
        const weights = options['tensors'] === true ? `\n\n${tabulateWeights(summary)}` : '';
        out.result(summary, describeCheckpoint(summary) + weights);
        return undefined;
      }),
    );
};

function describeCheckpoint(summary: CheckpointSummary): string {
  const { dir, familyTitle, dims, parameters, groups, tensors, shards, dtypes, bytes, tied } = summary;
  const { tokenizer, grownFrom } = summary;
  const sizes = Object.entries(dims).map(([name, size]) => `${name} ${size}`);
  const counts = Object.entries(groups)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${formatCount(count)}`);
  const files = `${shards} ${shards === 1 ? 'file' : 'files'}`;
  const rows = [
    ['Checkpoint', dir],
    ['Family', familyTitle],
    ['Sizes', sizes.join(', ')],
    ['Parameters', `${formatCount(parameters)} (${counts.join(', ')})`],
    ['Weights', `${tensors.length} in ${files}, ${dtypes.join(' and ')}, ${formatBytes(bytes)}`],
    ['LM head', tied ? 'tied to the token embeddings' : 'separate weights'],
    ['Tokenizer', tokenizer ? `${tokenizer.kind}, ${tokenizer.size} tokens` : 'none'],
  ];
  if (grownFrom) rows.push(['Grown from', describeGrowth(grownFrom)]);
  return rows.map(([name, value]) => `${name!.padEnd(12)}${value!}`).join('\n');
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
