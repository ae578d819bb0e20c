/** @file cambium checkpoints: lists the saved steps of a run, and deletes one. */
import { formatBytes, formatCount } from '../../../base/format.ts';
import type { RunCheckpoint } from '../../../contract/schema.ts';
import { readWhole } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';
import { toRunId } from './runs.ts';

const examples = `
Examples:
  cambium checkpoints ./run
  cambium checkpoints ./run --delete 400
  cambium resume ./run --from 400
  cambium export ./run --step 400 --out ./exported`;

export const checkpoints: AddCommand = (program, run) => {
  program
    .command('checkpoints')
    .argument('<run>', 'folder or name of the run')
    .description('list the checkpoints of a run, newest first, or delete one')
    .option('--delete <step>', 'delete the checkpoint of this step; never one that a resume needs')
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(async ({ api, out, options }, id) => {
        const request = { id: toRunId(id!) };
        const deleted = getText(options['delete']);
        const found =
          deleted === undefined
            ? await api.runCheckpoints(request)
            : await api.deleteCheckpoint({ ...request, step: readWhole('--delete', deleted) });
        out.result({ checkpoints: found }, tabulate(found));
        return undefined;
      }),
    );
};

function tabulate(found: readonly RunCheckpoint[]): string {
  if (found.length === 0) return 'The run has no checkpoint yet.';
  const rows = found.map(({ step, tokens, loss, heldOutLoss, bytes, kept, model }) => [
    String(step),
    tokens === null ? '-' : formatCount(tokens),
    loss?.toFixed(4) ?? '-',
    heldOutLoss?.toFixed(4) ?? '-',
    formatBytes(bytes),
    kept.join(', '),
    model,
  ]);
  return table([['step', 'tokens', 'loss', 'held out', 'size', 'kept as', 'model'], ...rows]);
}
