/** @file The flag --stages: the stages of a run that grows while it trains, from a file. */
import { parseStages, resolveStages } from '../../contract/stages.ts';
import type { Service } from '../../contract/service.ts';
import type { RunStage } from '../../service/catalog.ts';
import { getText, type Options } from './command.ts';
import { readJsonFile } from './recipe.ts';

export const stagesFlag = [
  '--stages <file>',
  'grow the model while it trains: a JSON list of stages, each with its growths and its end (docs/training.md)',
] as const;

/** The stages of the flag, with all sizes computed for the checkpoint in `dir`. */
export async function readStages(
  api: Service,
  dir: string,
  options: Options,
): Promise<readonly RunStage[] | undefined> {
  const file = getText(options['stages']);
  if (file === undefined) return undefined;
  const given = parseStages(file, await readJsonFile(file));
  return resolveStages(await api.openCheckpoint({ dir }), given);
}
