/** @file cambium download: downloads a model of the Hub into the Hugging Face cache. */
import { describeError } from '../../../base/errors.ts';
import { formatBytes, formatCount, formatDuration } from '../../../base/format.ts';
import type { DownloadEvent, HubModel } from '../../../contract/hub.ts';
import type { JobSummary } from '../../../contract/schema.ts';
import { jsonFlag, type AddCommand, type Context } from '../command.ts';
import { followJob } from '../follow.ts';
import { exits } from '../output.ts';

const help = `
The files go into the Hugging Face cache (HF_HOME, HF_HUB_CACHE), where other tools find them too.
Respects HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.
Ctrl+C pauses; the same command continues.

Examples:
  cambium download EleutherAI/pythia-70m
  cambium download EleutherAI/pythia-70m@step1000 --check`;

export const download: AddCommand = (program, run) => {
  program
    .command('download')
    .argument('<repo[@revision]>', 'owner/name on the Hub; a branch, a tag or a commit after @')
    .description('download a model of the Hugging Face Hub; an interrupted download continues')
    .option('--check', 'only show what the model is, whether it can be grown, and what it needs')
    .option('--anyway', 'download it even if it cannot be grown')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async (context, repo) => {
        const { api, options } = context;
        if (options['check'] === true) return checkModel(context, repo!);
        const job = await api.startDownload({ repo: repo!, anyway: options['anyway'] === true });
        return followDownload(context, job, repo!);
      }),
    );
};

async function checkModel({ api, out, signal }: Context, repo: string): Promise<number> {
  const model = await api.hubModel({ repo }, signal);
  const card = model.card && { ...model.card, tensors: model.card.tensors.length };
  out.result({ ...model, card }, describeModel(model));
  return model.why ? exits.failed : exits.ok;
}

async function followDownload({ api, out, signal }: Context, job: JobSummary, repo: string): Promise<number> {
  // Pauses instead of cancelling, which would remove the files.
  const pause = (): void => {
    void api.pauseDownload({ id: job.id }).catch(() => undefined);
  };
  const neverCancels = new AbortController().signal;
  if (signal.aborted) pause();
  signal.addEventListener('abort', pause, { once: true });
  let isPaused = false;
  const onEvent = (event: DownloadEvent): Extract<DownloadEvent, { type: 'done' }> | undefined => {
    if (event.type === 'bytes') out.progress('Downloading', event.done, event.of, describeProgress(event));
    if (event.type === 'paused') isPaused = true;
    return event.type === 'done' ? event : undefined;
  };
  try {
    const events = api.followDownload({ id: job.id });
    const done = await followJob(api, job, events, neverCancels, onEvent);
    const size = `${formatBytes(done.bytes)} in ${formatDuration(done.seconds)}`;
    const summary = `Downloaded ${done.repo}, commit ${done.commit}: ${size}, all hashes verified`;
    out.result(done, `${summary}\n${done.dir}`);
    return exits.ok;
  } catch (error) {
    if (!isPaused) throw error;
    out.result({ paused: true, repo }, 'Paused. The same command continues the download.');
    return exits.cancelled;
  }
}

const describeProgress = (event: Extract<DownloadEvent, { type: 'bytes' }>): string =>
  `${formatBytes(event.done)} of ${formatBytes(event.of)}, ${event.files}/${event.ofFiles} files, ` +
  `${formatBytes(event.perSecond)}/s`;

function describeModel(model: HubModel): string {
  const { card, doubled, dir, needed, free, skipped } = model;
  const lines = [`${model.repo}, commit ${model.commit}${model.gated ? ' (gated)' : ''}`];
  if (card) {
    const sizes = Object.entries(card.dims).map(([axis, size]) => `${axis} ${size}`);
    lines.push(
      `  ${card.familyTitle}, ${formatCount(card.parameters)} parameters, ${card.dtypes.join(', ')}`,
      `  ${sizes.join(', ')}`,
    );
  }
  const shortage = needed > free ? ' (not enough)' : '';
  lines.push(
    `  licence   ${model.licence ?? 'not stated'}`,
    `  download  ${formatBytes(needed)} in ${model.files.length} files; ` +
      `${formatBytes(free)} free${shortage}; ${formatBytes(skipped.bytes)} not needed`,
  );
  if (doubled)
    lines.push(
      `  grown ×2  ${formatCount(doubled.parameters)} parameters: ${formatBytes(doubled.disk)} on disk, ` +
        `about ${formatBytes(doubled.grow)} of memory to grow, ${formatBytes(doubled.train)} to train`,
    );
  if (dir) lines.push(`  folder    ${dir}`);
  lines.push(model.why ? `Cannot be grown: ${describeError(model.why).join('. ')}` : 'Can be grown.');
  return lines.join('\n');
}
