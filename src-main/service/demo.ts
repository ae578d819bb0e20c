/**
 * @file The demo: grows the built-in checkpoint, certifies it, trains it next to random weights of the same size
 * on the same batches, exports it and reads the export back.
 */
import { join } from 'node:path';
import type { Certificate, CheckpointSummary, RunEvent } from '../contract/schema.ts';
import type { Service } from '../contract/service.ts';
import type { GrowthPlan, GrowthRequest } from '../growth/recipe.ts';
import { promiseLabels } from '../model/promise.ts';
import { exists, writeText } from '../store/fs/files.ts';
import { removeFolder } from '../store/fs/folder.ts';
import { firstReach } from '../train/reached.ts';
import { toyLines } from '../train/toy-corpus.ts';
import { trainingDefaults, type TrainingSettings } from '../train/settings.ts';
import { AppError, refuse } from '../base/errors.ts';
import { formatCount, formatNumber } from '../base/format.ts';
import type { AbortSignalLike } from '../base/signals.ts';

export interface Point {
  readonly tokens: number;
  readonly loss: number;
}

/** The losses of one run, in nats per token: of every batch, and on held-out text. */
export interface Curve {
  readonly name: string;
  readonly steps: readonly Point[];
  readonly heldOut: readonly Point[];
  readonly seconds: number;
  /** A text that the trained model generated. */
  readonly sample: string;
}

export interface DemoResult {
  readonly source: CheckpointSummary;
  readonly plan: GrowthPlan;
  readonly certificate: Certificate;
  readonly settings: TrainingSettings;
  readonly grown: Curve;
  readonly random: Curve;
  /** Held-out loss of the source, in nats per token. */
  readonly sourceLoss: number;
  /** Tokens after which the random weights reach the loss of the source; null if they do not. */
  readonly tokensToMatch: number | null;
  readonly exported: { readonly dir: string; readonly bytes: number; readonly maxLogit: number };
  /** The export, read back. */
  readonly reopened: CheckpointSummary;
}

export interface DemoReporter {
  /** Reports that a phase has ended, or that a long one begins. */
  phase(text: string): void;
  progress(label: string, done: number, of: number, more?: string): void;
}

export interface DemoOptions {
  readonly dir: string;
  /** Tokens for each of the two runs. */
  readonly tokens: number;
  readonly seed: number;
}

/** The training text is the same on every machine, and the source was not trained on this seed. */
const textBytes = 6_000_000;
const textSeed = 1;
const microBatch = 16;
const contextLength = 128;

/** What the steps of the demo share. */
interface Session {
  readonly api: Service;
  readonly reporter: DemoReporter;
  readonly signal: AbortSignalLike;
}

/** Throws `file/exists` if `dir` exists, and `cancelled` after removing `dir`. */
export async function runDemo(
  api: Service,
  options: DemoOptions,
  reporter: DemoReporter,
  signal: AbortSignalLike,
): Promise<DemoResult> {
  if (await exists(options.dir)) refuse('file/exists', { path: options.dir });
  try {
    return await runPhases({ api, reporter, signal }, options);
  } catch (thrown) {
    if (signal.aborted) await removeFolder(options.dir);
    throw thrown;
  }
}

async function runPhases(session: Session, { dir, tokens, seed }: DemoOptions): Promise<DemoResult> {
  const { api, reporter } = session;
  const builtIn = (await api.about({})).demo;
  const grownDir = join(dir, 'grown');
  const source = await api.openCheckpoint({ dir: builtIn });
  reporter.phase(
    `Opened ${source.name}: ${source.familyTitle}, ${formatCount(source.parameters)} parameters`,
  );

  const request = createRequest(source, seed);
  const plan = (await api.planGrowth({ dir: builtIn, request })).stages[0]!;
  reporter.phase(`Planned ${formatCount(plan.parameters.after)} parameters; ${describePromise(plan)}`);

  const certificate = await grow(session, builtIn, grownDir, request);
  const losses = `loss ${formatLoss(certificate.lossSource)} → ${formatLoss(certificate.lossGrown)}`;
  reporter.phase(`Certified: largest |Δlogit| ${formatNumber(certificate.maxLogit, 2)}, ${losses}`);

  const text = join(dir, 'stories.jsonl');
  reporter.phase('Writing the training text');
  await writeText(text, toyLines(textBytes, { seed: textSeed }));

  const settings = createSettings(tokens, seed);
  const trainFrom = (init: TrainingSettings['init'], name: string, run: string): Promise<Curve> =>
    train(session, {
      checkpoint: grownDir,
      data: [text],
      out: join(dir, run),
      name,
      settings: { ...settings, init },
    });
  const grown = await trainFrom('checkpoint', 'Grown model', 'run-grown');
  const random = await trainFrom('random', 'Random weights', 'run-random');

  const exported = await exportRun(session, join(dir, 'run-grown'), join(dir, 'export'));
  const reopened = await api.openCheckpoint({ dir: exported.dir });
  reporter.phase(`Exported and read back: largest |Δlogit| ${formatNumber(exported.maxLogit, 2)}`);
  const sourceLoss = grown.heldOut[0]!.loss;
  const tokensToMatch = tokensToReach(random, sourceLoss);
  return {
    source,
    plan,
    certificate,
    settings,
    grown,
    random,
    sourceLoss,
    tokensToMatch,
    exported,
    reopened,
  };
}

/** What the growth preserves. */
export const describePromise = ({ promise }: GrowthPlan): string => promiseLabels[promise.kind];

const formatLoss = (loss: number): string => loss.toFixed(4);

/** Doubles the width by HyperCloning. */
const createRequest = ({ dims }: CheckpointSummary, seed: number): GrowthRequest => ({
  method: 'hypercloning',
  to: { hidden: 2 * dims['hidden']!, ffn: 2 * dims['ffn']! },
  options: {},
  seed,
  dtype: 'keep',
});

function createSettings(tokens: number, seed: number): TrainingSettings {
  const steps = Math.ceil(tokens / (microBatch * contextLength));
  return {
    ...trainingDefaults,
    tokens,
    microBatch,
    contextLength,
    lr: 2e-3,
    schedule: 'cosine',
    warmupSteps: Math.ceil(steps / 20),
    evaluateEvery: Math.max(1, Math.floor(steps / 20)),
    saveEvery: 0,
    sampleEvery: 0,
    heldOut: 0.02,
    seed,
    device: 'auto',
  };
}

function tokensToReach({ heldOut }: Curve, loss: number): number | null {
  const tokens = firstReach(
    heldOut.map((point) => ({ x: point.tokens, loss: point.loss })),
    loss,
  );
  return tokens === null ? null : Math.round(tokens);
}

async function grow(
  { api, reporter, signal }: Session,
  source: string,
  out: string,
  request: GrowthRequest,
): Promise<Certificate> {
  const job = await api.startGrowth({ source, out, request, device: 'auto' });
  const cancel = (): Promise<unknown> => api.cancelJob({ id: job.id });
  return stopOnAbort(signal, cancel, async () => {
    for await (const event of api.followGrowth({ id: job.id })) {
      if (event.type === 'tensor') {
        const weights = `${event.tensors}/${event.ofTensors} weights`;
        reporter.progress('Growing', event.bytes, event.ofBytes, weights);
      }
      if (event.type === 'done' && event.certificate) return event.certificate;
    }
    return refuse('engine/crashed', { how: 'the growth ended without a certificate', lines: '' });
  });
}

async function train(
  { api, reporter, signal }: Session,
  request: Parameters<Service['startRun']>[0] & { readonly name: string },
): Promise<Curve> {
  const { name } = request;
  const run = await api.startRun(request);
  const steps: Point[] = [];
  const heldOut: Point[] = [];
  let seconds = 0;
  let sample = '';
  let last: RunEvent | undefined;
  const stop = (): Promise<unknown> => api.stopRun({ id: run.dir });
  return stopOnAbort(signal, stop, async () => {
    for await (const event of api.followRun({ id: run.dir, from: 0 })) {
      last = event;
      if (event.type === 'step') {
        steps.push({ tokens: event.tokens, loss: event.loss });
        seconds += event.seconds;
        const loss = `loss ${event.loss.toFixed(3)}`;
        reporter.progress(`Training: ${name}`, event.step, run.steps, loss);
      }
      if (event.type === 'evaluated') heldOut.push({ tokens: steps.at(-1)?.tokens ?? 0, loss: event.loss });
      if (event.type === 'sample') sample = event.prompt + event.text;
    }
    if (last?.type !== 'stopped' || last.reason !== 'finished') throw endError(last);
    const first = heldOut[0]!.loss.toFixed(3);
    reporter.phase(`${name}: held-out loss ${first} → ${heldOut.at(-1)!.loss.toFixed(3)}`);
    return { name, steps, heldOut, seconds, sample };
  });
}

/** The error of a run that did not finish. */
const endError = (last: RunEvent | undefined): AppError =>
  last?.type === 'stopped' && last.error
    ? new AppError(last.error.code, last.error.detail)
    : new AppError('cancelled', { what: 'The demo' });

async function exportRun(
  { api, reporter, signal }: Session,
  run: string,
  out: string,
): Promise<DemoResult['exported']> {
  const job = await api.startExport({ run, out, dtype: 'keep' });
  const cancel = (): Promise<unknown> => api.cancelJob({ id: job.id });
  return stopOnAbort(signal, cancel, async () => {
    for await (const event of api.followExport({ id: job.id })) {
      if (event.type === 'tensor') reporter.progress('Exporting', event.tensors, event.ofTensors);
      if (event.type === 'done') return event;
    }
    return refuse('engine/crashed', { how: 'the export ended without a result', lines: '' });
  });
}

/**
 * Runs `work`, which must end after `stop` was called. Calls `stop` when the signal aborts, and settles only
 * after both have ended, so that nothing is written any more.
 */
async function stopOnAbort<T>(
  signal: AbortSignalLike,
  stop: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  let stopping: Promise<unknown> = Promise.resolve();
  const onAbort = (): void => {
    stopping = stop().catch(() => undefined);
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', onAbort);
    await stopping;
  }
}
