/** @file cambium search: searches the Hugging Face Hub for models that can be grown. */
import { describeError } from '../../../base/errors.ts';
import { formatCount } from '../../../base/format.ts';
import type { HubHit, HubSearch } from '../../../contract/hub.ts';
import type { Service } from '../../../contract/service.ts';
import { families } from '../../../service/catalog.ts';
import { readChoice, readWhole } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { table } from '../output.ts';

const orders = ['downloads', 'likes', 'updated'] as const;
const familyIds = [...families.keys()];

const help = `
Respects HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.

Examples:
  cambium search pythia --most 500M
  cambium search --sort likes --licence apache-2.0`;

export const search: AddCommand = (program, run) => {
  program
    .command('search')
    .argument('[words]', 'words of the name; without them all models are listed', '')
    .description('search the Hugging Face Hub for models that can be grown')
    .option('--sort <order>', orders.join(', '), 'downloads')
    .option('--family <id>', `one of ${familyIds.join(', ')}`)
    .option('--least <n>', 'minimum number of parameters, such as 100M')
    .option('--most <n>', 'maximum number of parameters, such as 1.5B')
    .option('--licence <id>', 'such as apache-2.0 or mit')
    .option('--all', 'also list models that cannot be grown, with the reason')
    .option('--count <n>', 'maximum number of models', '20')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async ({ api, out, options, signal }, words = '') => {
        const count = readWhole('--count', getText(options['count']) ?? '20', 1);
        const request = readSearch(words, options);
        const hits = await findHits(api, request, count, signal);
        const text = hits.length > 0 ? tabulateHits(hits, request.all) : 'No model matches.';
        out.result({ hits }, text);
        return undefined;
      }),
    );
};

type SearchRequest = Omit<HubSearch, 'from'>;

function readSearch(query: string, options: Options): SearchRequest {
  const readLimit = (name: string): number | null => {
    const text = getText(options[name]);
    return text === undefined ? null : readWhole(`--${name}`, text, 1);
  };
  const family = getText(options['family']) ?? '';
  if (family !== '') readChoice('--family', family, familyIds);
  return {
    query,
    sort: readChoice('--sort', getText(options['sort']) ?? 'downloads', orders),
    family,
    minParameters: readLimit('least'),
    maxParameters: readLimit('most'),
    licence: getText(options['licence']) ?? '',
    all: options['all'] === true,
  };
}

/** The first `count` hits, from as many pages as needed. */
async function findHits(
  api: Service,
  request: SearchRequest,
  count: number,
  signal: AbortSignal,
): Promise<readonly HubHit[]> {
  const hits: HubHit[] = [];
  let from: string | null = null;
  do {
    const page: Awaited<ReturnType<Service['hubSearch']>> = await api.hubSearch({ ...request, from }, signal);
    hits.push(...page.hits);
    from = page.next;
  } while (from !== null && hits.length < count);
  return hits.slice(0, count);
}

function tabulateHits(hits: readonly HubHit[], hasReasons: boolean): string {
  const heading = ['model', 'family', 'size', 'licence', 'downloads', 'likes', 'updated', ''];
  const rows = hits.map((hit) => {
    const cells = [
      hit.repo,
      hit.family ?? '-',
      hit.parameters === null ? '?' : formatCount(hit.parameters),
      hit.licence ?? '-',
      formatCount(hit.downloads),
      formatCount(hit.likes),
      hit.updated.slice(0, 10),
      hit.gated ? 'gated' : '',
    ];
    return hasReasons ? [...cells, hit.why ? describeError(hit.why)[0] : ''] : cells;
  });
  return table([hasReasons ? [...heading, 'why not'] : heading, ...rows]);
}
