/**
 * @file The family tree of this place's checkpoints and runs, from the records that growing and exporting
 * leave in their folders.
 */
import { basename, isAbsolute, join, resolve } from 'node:path';
import type { Lineage, LineageEdge, LineageNode } from '../contract/lineage.ts';
import type { RunCard } from '../contract/schema.ts';
import {
  growthRecordFile,
  trainingRecordFile,
  type GrowthRecord,
  type TrainingRecord,
} from '../model/records.ts';
import { exists, readObject } from '../store/fs/files.ts';
import { knownCheckpoints } from './library.ts';
import type { Place } from './dependencies.ts';

/** All checkpoints and runs that are known, and what they came from, gone or not. */
export async function lineageOf(place: Place, runs: readonly RunCard[]): Promise<Lineage> {
  const nodes = new Map<string, LineageNode>();
  const edges: LineageEdge[] = [];
  for (const { dir, name } of await knownCheckpoints(place))
    nodes.set(resolve(dir), { dir: resolve(dir), kind: 'checkpoint', name });
  for (const { dir, name, id, state, loss, heldOutLoss } of runs)
    nodes.set(resolve(dir), { dir: resolve(dir), kind: 'run', name, run: { id, state, loss, heldOutLoss } });
  const parents = await Promise.all(
    [...nodes.values()].filter((node) => node.kind === 'checkpoint').map((node) => originOf(node.dir)),
  );
  edges.push(
    ...parents.flat(),
    ...runs.map((run): LineageEdge => ({
      from: resolve(run.checkpoint),
      to: resolve(run.dir),
      kind: 'trained',
      what: `${run.tokens} tokens`,
    })),
  );
  for (const { from, kind } of edges) {
    const dir = ownerOf(from, nodes);
    if (!nodes.has(dir))
      nodes.set(dir, {
        dir,
        kind: kind === 'exported' ? 'run' : 'checkpoint',
        name: basename(dir),
        ...(isAbsolute(dir) && (await exists(dir)) ? {} : { gone: true }),
      });
  }
  return {
    nodes: [...nodes.values()],
    edges: edges.map((edge) => ({ ...edge, from: ownerOf(edge.from, nodes) })),
  };
}

/** A folder; of a record that came from the Hub, which has no paths, the name. */
const placed = (said: string): string => (isAbsolute(said) ? resolve(said) : said);

/** A checkpoint that a run saved on its way stands for the run. */
function ownerOf(dir: string, nodes: ReadonlyMap<string, LineageNode>): string {
  const run = /^(.*)[\\/]checkpoints[\\/]step-\d+[\\/]model$/.exec(dir)?.[1];
  return run !== undefined && nodes.has(run) ? run : dir;
}

/**
 * What this folder was made from. An export of a grown model carries the growth's record on: the run is
 * nearer.
 */
async function originOf(dir: string): Promise<readonly LineageEdge[]> {
  const trained = (await readObject(join(dir, trainingRecordFile)).catch(() => undefined)) as
    TrainingRecord | undefined;
  if (typeof trained?.run === 'string')
    return [{ from: placed(trained.run), to: dir, kind: 'exported', what: `step ${trained.step}` }];
  const grown = (await readObject(join(dir, growthRecordFile)).catch(() => undefined)) as
    GrowthRecord | undefined;
  if (typeof grown?.source !== 'string') return [];
  const { certificate } = grown;
  return [
    {
      from: placed(grown.source),
      to: dir,
      kind: 'grown',
      what: grown.method,
      proof: certificate
        ? { passed: certificate.passed, promise: certificate.promise, maxLogit: certificate.maxLogit }
        : null,
    },
  ];
}
