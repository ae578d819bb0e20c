/** @file cambium push: an export to a repository of the user's on the Hub, as one commit. */
import { resolve } from 'node:path';
import { showBytes } from '../../../base/units.ts';
import type { AddCommand } from '../command.ts';
import { followJob } from '../following.ts';
import { table } from '../output.ts';

export const push: AddCommand = (program, run) => {
  program
    .command('push')
    .argument('<dir>', 'a folder that export or grow has made')
    .argument('<repo>', 'name, or owner/name, on the Hub; made when it does not exist')
    .description('push an exported model to the Hugging Face Hub as one commit')
    .option('--public', 'make a new repository public; private otherwise')
    .option('--dry-run', 'only list the files and their sizes')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nNeeds a token with write access: HF_TOKEN, or the file that `hf auth login` writes.\n\nExamples:\n  cambium push ./trained my-model --dry-run\n  cambium push ./trained my-model',
    )
    .action(
      run(async ({ api, out, options, signal }, dir, repo) => {
        const plan = await api.planPush({ dir: resolve(dir!), repo: repo! });
        const where = `${plan.url} (${plan.exists ? `exists, ${plan.private ? 'private' : 'public'}` : `new, ${options['public'] === true ? 'public' : 'private'}`})`;
        if (options['dryRun'] === true) {
          out.result(
            plan,
            `${table([['file', 'size'], ...plan.files.map((file) => [file.path, showBytes(file.bytes)])])}\n\n${plan.files.length} files, ${showBytes(plan.bytes)}, would go to ${where}`,
          );
          return undefined;
        }
        const job = await api.startPush({
          dir: resolve(dir!),
          repo: repo!,
          private: options['public'] !== true,
        });
        const done = await followJob(api, job, api.followPush({ id: job.id }), signal, (event) => {
          if (event.at === 'bytes')
            out.progress(
              event.phase === 'hashing'
                ? 'Hashing'
                : event.phase === 'uploading'
                  ? 'Uploading'
                  : 'Committing',
              event.done,
              event.of,
              event.now,
            );
          return event.at === 'done' ? event : undefined;
        });
        out.result(
          done,
          `Pushed ${done.files} files, ${showBytes(done.bytes)}, as commit ${done.commit}\n${done.url}${done.private ? ' (private)' : ''}`,
        );
        return undefined;
      }),
    );
};
