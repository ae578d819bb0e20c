/**
 * @file Trains the runs of the study. A finished run is a file named by the hash of everything that determines it, so
 * that an interrupted study goes on where it was. A run with twice the tokens of one before it continues from the end
 * of its constant learning rate, with the same result as from its start.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../src-main/base/errors.ts';
import { formatCount } from '../../src-main/base/format.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { createAborter, neverAborts } from '../../src-main/base/signals.ts';
import { isPlateau, slopeOf } from '../../src-main/cost/slope.ts';
import { exportRun } from '../../src-main/engine/export/export-job.ts';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { windowLosses } from '../../src-main/engine/infer/window-losses-job.ts';
import { isSlopeDue } from '../../src-main/engine/train/stage-watch.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { createSavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { claimRun, createRun, isRun, newestStep, readRun } from '../../src-main/store/run/runs.ts';
import { decayFrom, isDecaying, stepsOf, tokensPerStep } from '../../src-main/train/schedule.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { RunStage } from '../../src-main/train/stages.ts';
import { listStepLosses } from '../../src-main/train/step-losses.ts';
import { writeRandomCheckpoint } from '../bench/random-checkpoint.ts';

const pointSchema = z.object({ tokens: z.number(), loss: z.number() });
const resultSchema = z.object({
  scale: z.string(),
  /** What the run starts from: a method, `random …`, `source`, or `three stages`. */
  start: z.string(),
  seed: z.number(),
  lr: z.number(),
  /** Trained on, since the start of the run. */
  tokens: z.number(),
  /** Trained with, without what the checkpoint cost that it starts from. */
  flops: z.number(),
  parameters: z.number(),
  /** Mean held-out loss at the end over all measured windows, in nats per token. */
  loss: z.number(),
  /** Of each window. */
  windows: z.array(z.number()),
  /** Held-out losses on the way, on fewer windows. */
  curve: z.array(pointSchema),
  /** Slope at the end of the constant learning rate, in nats per million tokens; of the source alone. */
  slope: z.object({ fall: z.number(), low: z.number(), high: z.number() }).optional(),
  /** True if the source ended because its curve was flat. */
  isFlat: z.boolean().optional(),
  growths: z
    .array(z.object({ tokens: z.number(), before: z.number().nullable(), after: z.number().nullable() }))
    .optional(),
  seconds: z.number(),
});
export type Result = z.infer<typeof resultSchema>;

/** The text of the study and how training reads it. */
export interface StudyText {
  /** Training text, then held-out text. */
  readonly data: readonly string[];
  /** The checkpoint files of a tokenizer. */
  readonly tokenizer: string;
  /** Share of the tokens at the end that are held out. */
  readonly heldOut: number;
  /** Held-out bytes over held-out tokens. */
  readonly bytesPerToken: number;
  /** Identifies text and tokenizer. */
  readonly hash: string;
}

/** A run of the study. What is in here determines its result. */
export interface RunSpec {
  readonly start: string;
  readonly checkpoint: { readonly dir: string; readonly hash: string };
  readonly settings: TrainingSettings;
  readonly stages?: readonly RunStage[];
  /** The constant learning rate ends when the loss falls by less, in nats per million tokens. */
  readonly plateau?: number;
}

export interface LabOptions {
  readonly scale: string;
  readonly dir: string;
  readonly text: StudyText;
  readonly windows: number;
  readonly log: (line: string) => void;
}

/** The settings that differ from their defaults: a setting that is added later does not change the hash of a run. */
const ownSettings = (settings: Partial<TrainingSettings>): unknown =>
  Object.entries(settings)
    .filter(([id, value]) => value !== trainingDefaults[id as keyof TrainingSettings])
    .sort(([a], [b]) => (a < b ? -1 : 1));

export const hashOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

export function readResults(dir: string): readonly Result[] {
  const folder = join(dir, 'results');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => resultSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))));
}

export class Lab {
  private readonly options: LabOptions;

  constructor(options: LabOptions) {
    this.options = options;
    for (const folder of ['results', 'runs', 'checkpoints'])
      mkdirSync(join(options.dir, folder), { recursive: true });
  }

  /** A checkpoint of these sizes; its runs begin with random weights. */
  async emptyCheckpoint(config: JsonObject): Promise<RunSpec['checkpoint']> {
    const hash = hashOf({ config, text: this.options.text.hash });
    const dir = join(this.options.dir, 'checkpoints', `empty-${hash}`);
    if (!existsSync(dir)) await writeRandomCheckpoint(dir, config, 1e9, this.options.text.tokenizer);
    return { dir, hash };
  }

  /** `source` grown by a recipe. */
  async grownCheckpoint(
    source: RunSpec['checkpoint'],
    recipe: readonly GrowthRequest[],
    seed: number,
    device: TrainingSettings['device'],
  ): Promise<RunSpec['checkpoint']> {
    const requests = recipe.map((request) => ({ ...request, seed }));
    const hash = hashOf({ source: source.hash, requests });
    const dir = join(this.options.dir, 'checkpoints', `grown-${hash}`);
    if (!existsSync(dir)) {
      const { summary } = await openCheckpoint(source.dir);
      const plan = createSavedPlan(summary, requests, null);
      for await (const event of grow({ source: source.dir, out: dir, plan, device }, neverAborts)) void event;
    }
    return { dir, hash };
  }

  private resultFile(spec: RunSpec): string {
    const { checkpoint, settings, stages, plateau } = spec;
    const hash = hashOf({
      text: this.options.text.hash,
      checkpoint: checkpoint.hash,
      settings: ownSettings(settings),
      stages,
      plateau,
    });
    return join(this.options.dir, 'results', `${hash}.json`);
  }

  /** The folder of all runs that differ in their length alone. */
  private runFolder({ checkpoint, settings, stages }: RunSpec): string {
    const rest = ownSettings({ ...settings, tokens: trainingDefaults.tokens });
    return join(
      this.options.dir,
      'runs',
      hashOf({ text: this.options.text.hash, checkpoint: checkpoint.hash, rest, stages }),
    );
  }

  private known(spec: RunSpec): Result | undefined {
    const file = this.resultFile(spec);
    return existsSync(file) ? resultSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  }

  /** Trains a run to its end, unless its result is known. */
  async train(spec: RunSpec): Promise<Result> {
    const known = this.known(spec);
    if (known) return known;
    const dir = this.runFolder(spec);
    await this.prepare(dir, spec);
    await this.follow(dir, () => false);
    return this.finish(dir, spec, {});
  }

  /** Creates a run, continues it, or continues a shorter one from the end of its constant learning rate. */
  private async prepare(dir: string, { checkpoint, settings, stages, start }: RunSpec): Promise<void> {
    if (!(await isRun(dir))) {
      const { data } = this.options.text;
      await createRun(dir, {
        checkpoint: checkpoint.dir,
        data,
        name: start,
        settings,
        ...(stages ? { stages } : {}),
      });
      return;
    }
    const { settings: before } = await readRun(dir);
    if (before.tokens >= settings.tokens) return claimRun(dir);
    const step = Math.round(stepsOf(before) * (1 - before.decayFraction));
    await claimRun(dir, { step, settings });
  }

  /** Trains until the run ends, or until `shouldStop` says so after a step. Returns true if the run has ended. */
  private async follow(dir: string, shouldStop: (step: number, loss: number) => boolean): Promise<boolean> {
    const aborter = createAborter();
    for await (const event of train({ run: dir }, aborter.signal)) {
      if (event.type === 'step' && shouldStop(event.step, event.loss)) aborter.abort();
      if (event.type !== 'stopped' || event.reason === 'finished') continue;
      if (event.reason === 'requested') return false;
      throw event.error ? new AppError(event.error.code, event.error.detail) : new Error(`${dir} has failed`);
    }
    return true;
  }

  /**
   * Trains at a constant learning rate until the loss curve is flat, then lets the rate decay. `spec.settings.tokens`
   * are the most tokens before the decay.
   */
  async trainUntilFlat(spec: RunSpec & { readonly plateau: number }): Promise<Result> {
    const known = this.known(spec);
    if (known) return known;
    const dir = this.runFolder(spec);
    const { settings, plateau } = spec;
    const perMillion = 1e6 / tokensPerStep(settings);
    const { warmupSteps: warmup } = settings;
    await this.prepare(dir, spec);
    if (!isDecaying((await readRun(dir)).settings)) {
      const saved = (await newestStep(dir))?.step ?? 0;
      const earlier = listStepLosses(await readEvents(dir), 0, saved);
      const steps = earlier.map(({ step }) => step);
      const losses = earlier.map(({ loss }) => loss);
      const isFlatAt = (step: number): boolean => {
        const slope = isSlopeDue(step) ? slopeOf(steps, losses, { warmup }) : undefined;
        if (slope && step % 512 === 0)
          this.options.log(
            `step ${step}: falls by ${(slope.fall * perMillion).toFixed(4)} per million tokens`,
          );
        return slope !== undefined && isPlateau(slope, plateau / perMillion);
      };
      if (!isFlatAt(saved))
        await this.follow(dir, (step, loss) => {
          steps.push(step);
          losses.push(loss);
          return isFlatAt(step);
        });
      const { step } = (await newestStep(dir))!;
      const share = settings.decayFraction / (1 - settings.decayFraction);
      await claimRun(dir, { settings: decayFrom(settings, step, Math.max(1, Math.round(step * share))) });
    }
    await this.follow(dir, () => false);
    const from = (await readRun(dir)).settings.phases!.at(-1)!.from;
    const before = listStepLosses(await readEvents(dir), 0, from);
    const slope = slopeOf(
      before.map(({ step }) => step),
      before.map(({ loss }) => loss),
      { warmup },
    )!;
    const { fall, low, high } = slope;
    return this.finish(dir, spec, {
      slope: { fall: fall * perMillion, low: low * perMillion, high: high * perMillion },
      isFlat: isPlateau(slope, plateau / perMillion),
    });
  }

  /** Measures a run that has ended and keeps its result. */
  private async finish(dir: string, spec: RunSpec, more: Partial<Result>): Promise<Result> {
    const { losses } = await windowLosses({ run: dir, windows: this.options.windows }, neverAborts);
    const events = await readEvents(dir);
    const { settings } = await readRun(dir);
    const started = events.findLast((event) => event.type === 'started')!;
    const growths = events.filter((event) => event.type === 'grown');
    const lastGrowth = growths.at(-1);
    const lastStep = events.findLast((event) => event.type === 'step')!;
    const before = { tokens: lastGrowth?.tokens ?? 0, flops: lastGrowth?.flops ?? 0 };
    const tokensAt = new Map(events.filter((e) => e.type === 'step').map((e) => [e.step, e.tokens]));
    const flopsPerToken = lastGrowth?.flopsPerToken ?? started.flopsPerToken!;
    const result: Result = {
      scale: this.options.scale,
      start: spec.start,
      seed: settings.seed,
      lr: settings.lr,
      tokens: lastStep.tokens,
      flops: before.flops + (lastStep.tokens - before.tokens) * flopsPerToken,
      parameters: lastGrowth?.parameters ?? started.parameters,
      loss: losses.reduce((a, b) => a + b, 0) / losses.length,
      windows: losses.map((loss) => Number(loss.toFixed(5))),
      curve: events
        .filter((event) => event.type === 'evaluated')
        .map(({ step, loss }) => ({ tokens: tokensAt.get(step) ?? 0, loss })),
      ...(growths.length > 0
        ? { growths: growths.map((g) => ({ tokens: g.tokens, before: g.lossBefore, after: g.lossAfter })) }
        : {}),
      seconds: events.filter((e) => e.type === 'step').reduce((sum, e) => sum + e.seconds, 0),
      ...more,
    };
    const file = this.resultFile(spec);
    writeFileSync(`${file}.partial`, `${JSON.stringify(result)}\n`);
    renameSync(`${file}.partial`, file);
    const rate = (result.tokens / result.seconds).toFixed(0);
    this.options.log(
      `${result.start}, seed ${result.seed}, learning rate ${result.lr}, ${formatCount(result.tokens)} tokens: ` +
        `${result.loss.toFixed(4)} (${rate} tokens/s)`,
    );
    return result;
  }

  /** The weights of a run that has ended, as a checkpoint. */
  async exportCheckpoint(spec: RunSpec): Promise<RunSpec['checkpoint']> {
    const hash = hashOf({ run: this.resultFile(spec) });
    const out = join(this.options.dir, 'checkpoints', `trained-${hash}`);
    if (!existsSync(out))
      for await (const event of exportRun({ run: this.runFolder(spec), out, dtype: 'float32' }, neverAborts))
        void event;
    return { dir: out, hash };
  }

  /** Removes the folder of a run that no other continues. */
  discard(spec: RunSpec): void {
    rmSync(this.runFolder(spec), { recursive: true, force: true });
  }
}
