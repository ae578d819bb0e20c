/**
 * @file cambium download: a model of the Hub into the Hugging Face cache, judged before a weight is fetched.
 */
import { wordsOf } from '../../../base/errors.ts';
import { showBytes, showCount, showDuration } from '../../../base/units.ts';
import type { HubModel } from '../../../contract/hub.ts';
import type { AddCommand } from '../command.ts';
import { followJob } from '../following.ts';
import { exits } from '../output.ts';

export const download: AddCommand = (program, run) => {
  program
    .command('download')
    .argument('<repo[@revision]>', 'owner/name on the Hub; a branch, a tag or a commit after @')
    .description('fetch a model of the Hugging Face Hub; an interrupted download goes on where it stopped')
    .option('--check', 'only tell what it is, whether it can be grown, and what it needs; fetch nothing')
    .option('--anyway', 'fetch it although it cannot be grown')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nThe files go into the Hugging Face cache (HF_HOME, HF_HUB_CACHE), where other tools find them too. Honours HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.\nCtrl+C pauses; the same command goes on.\n\nExamples:\n  cambium download EleutherAI/pythia-70m\n  cambium download EleutherAI/pythia-70m@step1000 --check',
    )
    .action(
      run(async ({ api, out, options, signal }, repo) => {
        if (options['check'] === true) {
          const { files, ...model } = await api.hubModel({ repo: repo! }, signal);
          out.result(
            { ...model, files, card: model.card && { ...model.card, tensors: model.card.tensors.length } },
            describe({ ...model, files }),
          );
          return model.why ? exits.failed : exits.ok;
        }
        const job = await api.startDownload({ repo: repo!, anyway: options['anyway'] === true });
        const never = new AbortController();
        // Cancelling would remove what came; a person who stops a download means to go on some time.
        const pause = (): void => {
          void api.pauseDownload({ id: job.id }).catch(() => undefined);
        };
        if (signal.aborted) pause();
        signal.addEventListener('abort', pause, { once: true });
        let paused = false;
        try {
          const done = await followJob(
            api,
            job,
            api.followDownload({ id: job.id }),
            never.signal,
            (event) => {
              if (event.at === 'bytes')
                out.progress(
                  'Fetching',
                  event.done,
                  event.of,
                  `${showBytes(event.done)} of ${showBytes(event.of)}, ${event.files}/${event.ofFiles} files, ${showBytes(event.perSecond)}/s`,
                );
              paused ||= event.at === 'paused';
              return event.at === 'done' ? event : undefined;
            },
          );
          out.result(
            done,
            `Fetched ${done.repo}, commit ${done.commit}: ${showBytes(done.bytes)} in ${showDuration(done.seconds)}, every hash checked\n${done.dir}`,
          );
          return exits.ok;
        } catch (error) {
          if (!paused) throw error;
          out.result({ paused: true, repo }, 'Paused; the same command goes on where it stopped.');
          return exits.cancelled;
        }
      }),
    );
};

function describe(model: Omit<HubModel, 'card'> & { readonly card: HubModel['card'] }): string {
  const { card, doubled } = model;
  return [
    `${model.repo}, commit ${model.commit}${model.gated ? ' (gated)' : ''}`,
    ...(card
      ? [
          `  ${card.familyTitle}, ${showCount(card.parameters)} parameters, ${card.dtypes.join(', ')}`,
          `  ${Object.entries(card.dims)
            .map(([axis, size]) => `${axis} ${size}`)
            .join(', ')}`,
        ]
      : []),
    `  licence   ${model.licence ?? 'not stated'}`,
    `  to fetch  ${showBytes(model.needed)} in ${model.files.length} files; ${showBytes(model.free)} free${model.needed > model.free ? ' - it does not fit' : ''}; ${showBytes(model.skipped.bytes)} not needed`,
    ...(doubled
      ? [
          `  grown ×2  ${showCount(doubled.parameters)} parameters: ${showBytes(doubled.disk)} on disk, about ${showBytes(doubled.grow)} of memory to grow, ${showBytes(doubled.train)} to train`,
        ]
      : []),
    ...(model.dir ? [`  here      ${model.dir}`] : []),
    model.why ? `Cannot be grown: ${wordsOf(model.why).join('. ')}` : 'Can be grown.',
  ].join('\n');
}
