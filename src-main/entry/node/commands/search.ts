/** @file cambium search: models of the Hugging Face Hub that can be grown. */
import { wordsOf } from '../../../base/errors.ts';
import { showCount } from '../../../base/units.ts';
import type { HubHit } from '../../../contract/hub.ts';
import { families } from '../../../service/choices.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { text, type AddCommand } from '../command.ts';
import { table } from '../output.ts';

const orders = ['downloads', 'likes', 'updated'] as const;

export const search: AddCommand = (program, run) => {
  program
    .command('search')
    .argument('[words]', 'of the name; all models when absent', '')
    .description('search the Hugging Face Hub for models that can be grown')
    .option('--sort <order>', orders.join(', '), 'downloads')
    .option('--family <id>', `one of ${[...families.keys()].join(', ')}`)
    .option('--least <n>', 'parameters at least, such as 100M')
    .option('--most <n>', 'parameters at most, such as 1.5B')
    .option('--licence <id>', 'such as apache-2.0 or mit')
    .option('--all', 'also what cannot be grown, each with the reason')
    .option('--count <n>', 'models at most', '20')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nHonours HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.\n\nExamples:\n  cambium search pythia --most 500M\n  cambium search --sort likes --licence apache-2.0',
    )
    .action(
      run(async ({ api, out, options, signal }, words = '') => {
        const family = text(options['family']) ?? '';
        const count = readWhole('--count', text(options['count']) ?? '20', 1);
        const limit = (name: string): number | null => {
          const given = text(options[name]);
          return given === undefined ? null : readWhole(`--${name}`, given, 1);
        };
        if (family !== '') readChoice('--family', family, [...families.keys()]);
        const asked = {
          query: words,
          sort: readChoice('--sort', text(options['sort']) ?? 'downloads', orders),
          family,
          least: limit('least'),
          most: limit('most'),
          licence: text(options['licence']) ?? '',
          all: options['all'] === true,
        };
        const hits: HubHit[] = [];
        for (let from: string | null = null; ;) {
          const page = await api.hubSearch({ ...asked, from }, signal);
          hits.push(...page.hits);
          from = page.next;
          if (from === null || hits.length >= count) break;
        }
        const shown = hits.slice(0, count);
        const size = (n: number | null): string => (n === null ? '?' : showCount(n));
        const rows = shown.map((hit) => [
          hit.repo,
          hit.family ?? '-',
          size(hit.parameters),
          hit.licence ?? '-',
          showCount(hit.downloads),
          showCount(hit.likes),
          hit.updated.slice(0, 10),
          hit.gated ? 'gated' : '',
          ...(asked.all ? [hit.why ? wordsOf(hit.why)[0] : ''] : []),
        ]);
        out.result(
          { hits: shown },
          shown.length
            ? table([
                [
                  'model',
                  'family',
                  'size',
                  'licence',
                  'downloads',
                  'likes',
                  'updated',
                  '',
                  ...(asked.all ? ['why not'] : []),
                ],
                ...rows,
              ])
            : 'No model matches.',
        );
        return undefined;
      }),
    );
};
