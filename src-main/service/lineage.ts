/** @file The lineage of checkpoints and runs, read from the records that growth and export leave in folders. */
import { basename, isAbsolute, resolve } from 'node:path';
import { formatQuantity } from '../base/format.ts';
import { toText, type Schema } from '../base/json.ts';
import type { Lineage, LineageEdge, LineageNode } from '../contract/lineage.ts';
import type { RunSummary } from '../contract/schema.ts';
import { readCertificate } from '../model/certificate.ts';
import {
  grownOrigin,
  growthRecordFile,
  trainedOrigin,
  trainingRecordFile,
  type GrownOrigin,
} from '../model/records.ts';
import { exists } from '../store/fs/files.ts';
import { readJsonInside } from '../store/fs/inside.ts';
import type { Dependencies } from './dependencies.ts';
import { listCheckpoints } from './library.ts';

/** The known checkpoints and runs and everything they came from, including folders that were deleted. */
export async function buildLineage(
  dependencies: Dependencies,
  runs: readonly RunSummary[],
): Promise<Lineage> {
  const nodes = new Map<string, LineageNode>();
  for (const { dir, name } of await listCheckpoints(dependencies))
    nodes.set(resolve(dir), { dir: resolve(dir), kind: 'checkpoint', name });
  for (const { dir, name, id, state, loss, heldOutLoss, settings } of runs) {
    const run = { id, state, loss, heldOutLoss, init: settings.init };
    nodes.set(resolve(dir), { dir: resolve(dir), kind: 'run', name, run });
  }

  const checkpoints = [...nodes.values()].filter((node) => node.kind === 'checkpoint');
  const recorded = (await Promise.all(checkpoints.map((node) => readOrigin(node.dir)))).flat();
  const trained = runs.map((run): LineageEdge => ({
    from: resolve(run.checkpoint),
    to: resolve(run.dir),
    kind: 'trained',
    what: formatQuantity(run.tokens, 'token'),
    ...(run.settings.init === 'random' ? { init: 'random' } : {}),
  }));
  const edges = [...recorded, ...trained].map((edge) => ({ ...edge, from: findRun(edge.from, nodes) }));
  for (const { from, kind } of edges) {
    if (nodes.has(from)) continue;
    const stillExists = isAbsolute(from) && (await exists(from));
    nodes.set(from, {
      dir: from,
      kind: kind === 'exported' ? 'run' : 'checkpoint',
      name: basename(from),
      ...(stillExists ? {} : { gone: true }),
    });
  }
  return { nodes: [...nodes.values()], edges };
}

/** A checkpoint that was saved by a known run is represented by the run. */
function findRun(dir: string, nodes: ReadonlyMap<string, LineageNode>): string {
  const run = /^(.*)[\\/]checkpoints[\\/]step-\d+[\\/]model$/.exec(dir)?.[1];
  return run !== undefined && nodes.has(run) ? run : dir;
}

/** The source in a record: a folder, or only a name in a record that was downloaded from the Hub. */
const resolveSource = (source: string): string => (isAbsolute(source) ? resolve(source) : source);

/**
 * What the checkpoint in `dir` was made from. The export of a grown model has both records; the run is the
 * immediate source.
 */
async function readOrigin(dir: string): Promise<readonly LineageEdge[]> {
  const trained = await readRecord(dir, trainingRecordFile, trainedOrigin);
  if (trained) {
    const from = resolveSource(trained.run);
    const init = trained.init === 'random' ? ({ init: 'random' } as const) : {};
    return [{ from, to: dir, kind: 'exported', what: `step ${toText(trained.step)}`, ...init }];
  }
  const grown = await readRecord(dir, growthRecordFile, grownOrigin);
  if (!grown) return [];
  return [
    {
      from: resolveSource(grown.source),
      to: dir,
      kind: 'grown',
      what: toText(grown.method),
      proof: summarizeCertificate(grown),
    },
  ];
}

/** A record of a model's folder; undefined if it is missing, damaged, or a link to somewhere else. */
const readRecord = async <T>(dir: string, name: string, schema: Schema<T>): Promise<T | undefined> =>
  schema.safeParse(await readJsonInside(dir, name).catch(() => undefined)).data;

/** Null without a certificate, and with one that cannot be read. */
function summarizeCertificate({
  certificate,
  method,
}: GrownOrigin): NonNullable<LineageEdge['proof']> | null {
  const reading = certificate ? readCertificate(certificate, toText(method)) : undefined;
  if (!reading || 'problem' in reading) return null;
  const { verdict, promise, maxLogit } = reading.certificate;
  return { verdict, promise, maxLogit };
}
