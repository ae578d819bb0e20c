/** @file cambium datasets: searches datasets on the Hugging Face Hub, and shows what one of them has. */
import { isDatasetName } from '../../../base/dataset-name.ts';
import { formatBytes, formatCount, formatQuantity } from '../../../base/format.ts';
import type { HubDatasetHit, HubDatasetView } from '../../../contract/hub.ts';
import { readWhole } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';

const help = `
Respects HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.

Examples:
  cambium datasets fineweb
  cambium datasets hf://datasets/HuggingFaceFW/fineweb-edu
  cambium datasets hf://datasets/wikimedia/wikipedia/20231101.en --rows 5`;

export const datasets: AddCommand = (program, run) => {
  program
    .command('datasets')
    .argument(
      '[words|name]',
      'words of the name, or hf://datasets/OWNER/NAME[@REVISION][/CONFIGURATION][:SPLIT]',
      '',
    )
    .description(
      'search the datasets of the Hugging Face Hub, or show the splits, columns and first rows of one',
    )
    .option('--rows <n>', 'number of rows to show', '3')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async ({ api, out, options, signal }, words = '') => {
        if (isDatasetName(words)) {
          const rows = readWhole('--rows', getText(options['rows']) ?? '3');
          const view = await api.hubDataset({ name: words, rows }, signal);
          out.result(view, describeDataset(view));
          return undefined;
        }
        const hits = await api.searchDatasets({ query: words }, signal);
        out.result({ hits }, hits.length > 0 ? tabulateHits(hits) : 'No dataset matches.');
        return undefined;
      }),
    );
};

const tabulateHits = (hits: readonly HubDatasetHit[]): string =>
  table([
    ['dataset', 'downloads', 'likes', 'updated', ''],
    ...hits.map((hit) => [
      hit.repo,
      formatCount(hit.downloads),
      formatCount(hit.likes),
      hit.updated.slice(0, 10),
      hit.gated ? 'gated' : '',
    ]),
  ]);

function describeDataset({ dataset, chosen, preview }: HubDatasetView): string {
  const splits = table([
    ['configuration', 'split', 'files', 'size'],
    ...dataset.splits.map(({ config, split, files, bytes }) => [
      config,
      split,
      files.length,
      formatBytes(bytes),
    ]),
  ]);
  const lines = [
    `${dataset.repo} at ${dataset.revision} (${dataset.commit})`,
    ...(dataset.isConverted ? ['The Hub made these Parquet files of files in another format.'] : []),
    ...(dataset.gated ? ['It is gated: its authors ask you to accept their terms first.'] : []),
    splits,
  ];
  if (!chosen || !preview) return [...lines, 'Name a configuration or a split to see its rows.'].join('\n');
  const { columns, rows, firstFileRows } = preview;
  return [
    ...lines,
    `${chosen.config}:${chosen.split}, ${formatQuantity(firstFileRows, 'row')} in the first file`,
    ...columns.map(({ name, type }) => `  ${name}: ${type}`),
    ...rows.flatMap((row, i) => [
      `row ${i}`,
      ...row.map((value, j) => `  ${columns[j]!.name}: ${value ?? 'null'}`),
    ]),
  ].join('\n');
}
