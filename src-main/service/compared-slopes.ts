/** @file Compares the slope of a run's loss after a growth with that of another run. */
import { join } from 'node:path';
import { AppError, refuse } from '../base/errors.ts';
import { formatCount } from '../base/format.ts';
import type { ComparedSlopes } from '../contract/compared-slopes.ts';
import { compareSlopes, type LossCurve, type SlopeRefusal } from '../cost/slope-comparison.ts';
import { openTokenizer } from '../store/data/tokenizer.ts';
import { readEvents } from '../store/run/events.ts';
import { newestStep, readRun } from '../store/run/runs.ts';
import { readNotes } from '../store/run/notes.ts';
import { modelFolder } from '../store/checkpoint/moments.ts';
import { readStepRecord } from '../store/run/step-record.ts';
import type { GrownEvent, RunEvent, RunSettings } from '../train/run.ts';
import { tokensPerStep } from '../train/schedule.ts';
import { settingsInStage } from '../train/stages.ts';
import { listGrowths, listStepLosses } from '../train/step-losses.ts';

/** A run with its events. */
interface OpenedRun {
  readonly dir: string;
  readonly name: string;
  readonly settings: RunSettings;
  readonly events: readonly RunEvent[];
  readonly growths: readonly GrownEvent[];
}

/**
 * Compares the run in `dir` with the one in `otherDir`, after the last growth of the first to the size of the second.
 * Throws `run/not-grown`, `run/few-steps-after-growth` or `run/slope-not-comparable`.
 */
export async function compareRunSlopes(dir: string, otherDir: string): Promise<ComparedSlopes> {
  const [run, other] = await Promise.all([openRun(dir), openRun(otherDir)]);
  if (run.growths.length === 0) refuse('run/not-grown', { run: run.name });
  const refuseOther = (why: string): never =>
    refuse('run/slope-not-comparable', { run: run.name, other: other.name, why });
  if (other.growths.length > 0) return refuseOther('has grown while it trained');
  const parameters = findParameters(other.events);
  const growth = run.growths.findLast((one) => one.parameters === parameters);
  if (!growth) return refuseOther(describeSizes(parameters, run.growths));
  await checkText(run, other, refuseOther);
  const grownCurve = { ...createStageCurve(run, growth), tokensBefore: growth.tokens };
  const compared = compareSlopes(grownCurve, createRunCurve(other));
  if (compared.type === 'grown too short') {
    const { steps, needed } = compared;
    return refuse('run/few-steps-after-growth', { run: run.name, steps, needed });
  }
  if (compared.type !== 'compared') return refuseOther(describeRefusal(compared));
  const { loss, verdict } = compared;
  return {
    run: run.name,
    otherRun: other.name,
    stage: growth.stage,
    parameters: growth.parameters,
    otherInit: other.settings.settings.init,
    loss,
    grown: compared.grown,
    other: compared.other,
    verdict,
  };
}

async function openRun(dir: string): Promise<OpenedRun> {
  const settings = await readRun(dir);
  const [{ name = settings.name }, events] = await Promise.all([readNotes(dir), readEvents(dir)]);
  return { dir, name, settings, events, growths: listGrowths(events) };
}

/** The parameters of a run's model; undefined before its first start. */
const findParameters = (events: readonly RunEvent[]): number | undefined =>
  events.findLast((event) => event.type === 'started')?.parameters;

function describeSizes(parameters: number | undefined, growths: readonly GrownEvent[]): string {
  if (parameters === undefined) return 'does not tell the size of its model';
  const sizes = growths.map((growth) => formatCount(growth.parameters)).join(', ');
  return `has ${formatCount(parameters)} parameters, and the grown model has ${sizes}`;
}

const describeRefusal = (refusal: Exclude<SlopeRefusal, { type: 'grown too short' }>): string =>
  refusal.type === 'never reached'
    ? `never reaches the loss ${refusal.loss.toFixed(3)} that the grown model has` +
      (Number.isFinite(refusal.lowest) ? `; its lowest is ${refusal.lowest.toFixed(3)}` : '')
    : `has the loss ${refusal.loss.toFixed(3)} of the grown model already in its first ${refusal.steps} steps`;

/** The losses of the stage that began with `growth`, up to the next growth. */
function createStageCurve({ settings: run, events, growths }: OpenedRun, growth: GrownEvent): LossCurve {
  const stage = run.stages?.[growth.stage - 1];
  const end = growths.find(({ step }) => step > growth.step)?.step ?? Infinity;
  const losses = listStepLosses(events, growth.step, end);
  return {
    steps: losses.map(({ step }) => step - growth.step),
    losses: losses.map(({ loss }) => loss),
    warmup: stage?.rewarmSteps ?? 0,
    tokensPerStep: tokensPerStep(settingsInStage(run.settings, stage)),
  };
}

/** The losses of a run that does not grow. */
function createRunCurve({ settings: { settings }, events }: OpenedRun): LossCurve {
  const losses = listStepLosses(events, 0, Infinity);
  return {
    steps: losses.map(({ step }) => step),
    losses: losses.map(({ loss }) => loss),
    warmup: settings.warmupSteps,
    tokensPerStep: tokensPerStep(settings),
  };
}

/** Refuses a run on other text, or with another tokenizer: its losses are of other tokens. */
async function checkText(
  run: OpenedRun,
  other: OpenedRun,
  refuseOther: (why: string) => never,
): Promise<void> {
  const [own, theirs] = await Promise.all([readText(run), readText(other)]);
  const areHashed = own.hash !== undefined && theirs.hash !== undefined;
  const isSameText = areHashed ? own.hash === theirs.hash : own.paths === theirs.paths;
  if (!isSameText) refuseOther('was trained on other text');
  if (own.tokenizer !== theirs.tokenizer) refuseOther('has another tokenizer');
}

interface TrainedText {
  /** Of its content, in the newest checkpoint; undefined if there is none, or it has no hash. */
  readonly hash: string | undefined;
  readonly paths: string;
  /** Hash of the tokenizer; undefined for a model without one. */
  readonly tokenizer: string | undefined;
}

async function readText({ dir, settings }: OpenedRun): Promise<TrainedText> {
  const saved = await newestStep(dir);
  const record = saved && (await readStepRecord(saved));
  return {
    hash: record?.textHash,
    paths: settings.data.join('\n'),
    tokenizer: await hashTokenizer(saved ? join(saved.dir, modelFolder) : settings.checkpoint),
  };
}

async function hashTokenizer(model: string): Promise<string | undefined> {
  try {
    return (await openTokenizer(model)).hash;
  } catch (error) {
    if (error instanceof AppError && error.code === 'checkpoint/no-tokenizer') return undefined;
    throw error;
  }
}
