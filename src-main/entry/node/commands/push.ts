/** @file cambium push: uploads an exported model to the Hub as one commit. */
import { resolve } from 'node:path';
import { describeError } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/format.ts';
import type { PushPlan } from '../../../contract/hub.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { followJob } from '../follow.ts';
import { table } from '../output.ts';

const help = `
Needs a token with write access: HF_TOKEN, or the file that \`hf auth login\` writes.

Examples:
  cambium push ./trained my-model --dry-run
  cambium push ./trained my-model`;

const phaseLabels = { hashing: 'Hashing', uploading: 'Uploading', committing: 'Committing' } as const;

export const push: AddCommand = (program, run) => {
  program
    .command('push')
    .argument('<dir>', 'a folder made by export or grow')
    .argument('<repo>', 'name, or owner/name, on the Hub; it is created if it does not exist')
    .description('upload an exported model to the Hugging Face Hub as one commit')
    .option('--public', 'make a new repository public instead of private')
    .option('--dry-run', 'only list the files and their sizes')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async ({ api, out, options, signal }, path, repo) => {
        const dir = resolve(path!);
        const isPublic = options['public'] === true;
        if (options['dryRun'] === true) {
          const plan = await api.planPush({ dir, repo: repo! });
          out.result(plan, describePlan(plan, isPublic));
          return undefined;
        }
        const job = await api.startPush({ dir, repo: repo!, private: !isPublic });
        const done = await followJob(api, job, api.followPush({ id: job.id }), signal, (event) => {
          if (event.type === 'done') return event;
          out.progress(phaseLabels[event.phase], event.done, event.of, event.now);
          return undefined;
        });
        const summary = `Pushed ${done.files} files, ${formatBytes(done.bytes)}, as commit ${done.commit}`;
        out.result(done, `${summary}\n${done.url}${done.private ? ' (private)' : ''}`);
        return undefined;
      }),
    );
};

function describePlan(
  { url, exists, private: isPrivate, files, bytes, blocker }: PushPlan,
  isPublic: boolean,
): string {
  const visibility =
    exists === null
      ? 'not looked up'
      : exists
        ? `exists, ${isPrivate ? 'private' : 'public'}`
        : newVisibility(isPublic);
  const rows = files.map((file) => [file.path, formatBytes(file.bytes)]);
  const list = table([['file', 'size'], ...rows]);
  const problem = blocker ? `\nNot possible yet: ${describeError(blocker).join('. ')}` : '';
  return `${list}\n\nWould upload ${files.length} files, ${formatBytes(bytes)}, to ${url} (${visibility})${problem}`;
}

const newVisibility = (isPublic: boolean): string => `new, ${isPublic ? 'public' : 'private'}`;
