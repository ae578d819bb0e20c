/**
 * @file The main job from end to end on what comes with Cambium: grow the built-in checkpoint, prove it,
 * train it beside random weights of the same size on the same batches, export it, read it back.
 */
import { join } from 'node:path';
import type { Certificate, CheckpointCard, RunEvent } from '../contract/schema.ts';
import type { Service } from '../contract/service.ts';
import type { GrowthPlan, GrowthRequest } from '../growth/recipe.ts';
import { exists, writeText } from '../store/fs/files.ts';
import { removeFolder } from '../store/fs/folder.ts';
import { reached } from '../train/reached.ts';
import { toyLines } from '../train/toy-corpus.ts';
import { trainingDefaults, type TrainingSettings } from '../train/settings.ts';
import { AppError, refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';

/** Loss over tokens of one run: of every batch, and on held-out text. */
export interface Curve {
  readonly name: string;
  readonly steps: readonly Point[];
  readonly heldOut: readonly Point[];
  readonly seconds: number;
  readonly sample: string;
}
export interface Point {
  readonly tokens: number;
  readonly loss: number;
}

export interface DemoResult {
  readonly source: CheckpointCard;
  readonly plan: GrowthPlan;
  readonly certificate: Certificate;
  readonly settings: TrainingSettings;
  readonly grown: Curve;
  readonly random: Curve;
  /** Held-out loss of the source, nats per token. */
  readonly sourceLoss: number;
  /**
   * Tokens after which the random start was as good as the grown one at its beginning; null when it never
   * was.
   */
  readonly tokensToMatch: number | null;
  readonly exported: { readonly dir: string; readonly bytes: number; readonly maxLogit: number };
  readonly reopened: CheckpointCard;
}

/** What is told while it runs. */
export interface Telling {
  phase(text: string): void;
  progress(label: string, done: number, of: number, more?: string): void;
}

/**
 * Bytes of text and the seed of its stories: the same on every machine, and none that the source was trained
 * on.
 */
const textBytes = 6_000_000;
const textSeed = 1;

export interface DemoOptions {
  readonly dir: string;
  readonly tokens: number;
  readonly seed: number;
}

/** Makes `dir` and fills it. Refuses `file/exists`, and `cancelled` with nothing of it left. */
export async function demonstrate(
  api: Service,
  options: DemoOptions,
  tell: Telling,
  signal: AbortSignalLike,
): Promise<DemoResult> {
  if (await exists(options.dir)) refuse('file/exists', { path: options.dir });
  try {
    return await demonstrated(api, options, tell, signal);
  } catch (thrown) {
    if (signal.aborted) await removeFolder(options.dir);
    throw thrown;
  }
}

async function demonstrated(
  api: Service,
  { dir, tokens, seed }: DemoOptions,
  tell: Telling,
  signal: AbortSignalLike,
): Promise<DemoResult> {
  const at = (name: string): string => join(dir, name);
  const from = (await api.about({})).demo;
  const source = await api.openCheckpoint({ dir: from });
  tell.phase(
    `Opened ${source.name}: ${source.familyTitle}, ${source.parameters.toLocaleString('en')} parameters`,
  );

  const request: GrowthRequest = {
    method: 'hypercloning',
    to: { hidden: 2 * source.dims['hidden']!, ffn: 2 * source.dims['ffn']! },
    options: {},
    seed,
    dtype: 'keep',
  };
  const plan = (await api.planGrowth({ dir: from, request })).stages[0]!;
  tell.phase(
    `Planned: ${plan.parameters.after.toLocaleString('en')} parameters; the promise is ${plan.promise.kind}`,
  );

  const certificate = await grown(api, from, at('grown'), request, tell, signal);
  tell.phase(
    `Proven: largest |Δlogit| ${certificate.maxLogit.toExponential(1)}, loss ${certificate.lossSource.toFixed(4)} → ${certificate.lossGrown.toFixed(4)}`,
  );

  const text = at('stories.jsonl');
  tell.phase('Writing the stories to train on');
  await writeText(text, toyLines(textBytes, { seed: textSeed }));
  const steps = Math.ceil(tokens / (16 * 128));
  const settings: TrainingSettings = {
    ...trainingDefaults,
    tokens,
    batch: 16,
    sequence: 128,
    lr: 2e-3,
    schedule: 'cosine',
    warmup: Math.ceil(steps / 20),
    evaluateEvery: Math.max(1, Math.floor(steps / 20)),
    saveEvery: 0,
    sampleEvery: 0,
    heldOut: 0.02,
    seed,
    device: 'auto',
  };
  const train = (name: string, label: string, start: TrainingSettings['start']): Promise<Curve> =>
    trained(
      api,
      { checkpoint: at('grown'), data: [text], out: at(name), name: label, settings: { ...settings, start } },
      tell,
      signal,
    );
  const first = await train('run-grown', 'The grown model', 'source');
  const second = await train('run-random', 'Random weights', 'random');

  const exported = await taken(api, at('run-grown'), at('export'), tell, signal);
  const reopened = await api.openCheckpoint({ dir: exported.dir });
  tell.phase(`Exported and read back: largest |Δlogit| ${exported.maxLogit.toExponential(1)}`);
  const sourceLoss = first.heldOut[0]!.loss;
  return {
    source,
    plan,
    certificate,
    settings,
    grown: first,
    random: second,
    sourceLoss,
    tokensToMatch: whole(
      reached(
        second.heldOut.map((p) => ({ x: p.tokens, loss: p.loss })),
        sourceLoss,
      ),
    ),
    exported,
    reopened,
  };
}

const whole = (tokens: number | null): number | null => (tokens === null ? null : Math.round(tokens));

async function grown(
  api: Service,
  source: string,
  out: string,
  request: GrowthRequest,
  tell: Telling,
  signal: AbortSignalLike,
): Promise<Certificate> {
  const job = await api.startGrowth({ source, out, request, device: 'auto' });
  return cancelling(
    signal,
    () => api.cancelJob({ id: job.id }),
    async () => {
      for await (const event of api.followGrowth({ id: job.id })) {
        if (event.at === 'tensor')
          tell.progress('Growing', event.bytes, event.ofBytes, `${event.tensors}/${event.ofTensors} weights`);
        if (event.at === 'done' && event.certificate) return event.certificate;
      }
      return refuse('engine/crashed', { how: 'the growth ended without a certificate', lines: '' });
    },
  );
}

async function trained(
  api: Service,
  request: Parameters<Service['startRun']>[0],
  tell: Telling,
  signal: AbortSignalLike,
): Promise<Curve> {
  const card = await api.startRun(request);
  const name = request.name ?? card.name;
  const steps: Point[] = [];
  const heldOut: Point[] = [];
  let seconds = 0;
  let sample = '';
  let last: RunEvent | undefined;
  return cancelling(
    signal,
    () => api.stopRun({ id: card.dir }),
    async () => {
      for await (const event of api.followRun({ id: card.dir, from: 0 })) {
        last = event;
        if (event.at === 'step') {
          steps.push(event);
          seconds += event.seconds;
          tell.progress(`Training: ${name}`, event.step, card.steps, `loss ${event.loss.toFixed(3)}`);
        }
        if (event.at === 'evaluated') heldOut.push({ tokens: steps.at(-1)?.tokens ?? 0, loss: event.loss });
        if (event.at === 'sample') sample = event.prompt + event.text;
      }
      if (last?.at !== 'stopped' || last.reason !== 'finished')
        throw last?.at === 'stopped' && last.error
          ? new AppError(last.error.code, last.error.detail)
          : new AppError('cancelled', { what: 'The demo' });
      tell.phase(
        `${name}: held-out loss ${heldOut[0]!.loss.toFixed(3)} → ${heldOut.at(-1)!.loss.toFixed(3)}`,
      );
      return { name, steps: steps.map(({ tokens, loss }) => ({ tokens, loss })), heldOut, seconds, sample };
    },
  );
}

async function taken(
  api: Service,
  run: string,
  out: string,
  tell: Telling,
  signal: AbortSignalLike,
): Promise<DemoResult['exported']> {
  const job = await api.startExport({ run, out, dtype: 'keep' });
  return cancelling(
    signal,
    () => api.cancelJob({ id: job.id }),
    async () => {
      for await (const event of api.followExport({ id: job.id })) {
        if (event.at === 'tensor') tell.progress('Exporting', event.tensors, event.ofTensors);
        if (event.at === 'done') return event;
      }
      return refuse('engine/crashed', { how: 'the export ended without an answer', lines: '' });
    },
  );
}

/**
 * Runs `work`; when the signal goes off, `stop` is asked and the work ends by itself. Settles when the stop
 * has, too: nothing writes any more.
 */
async function cancelling<T>(
  signal: AbortSignalLike,
  stop: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  let asked: Promise<unknown> = Promise.resolve();
  const ask = (): void => {
    asked = stop().catch(() => undefined);
  };
  if (signal.aborted) ask();
  signal.addEventListener('abort', ask, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', ask);
    await asked;
  }
}
