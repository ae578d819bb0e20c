/** @file The model card of weights that were trained in a run. */
import { basename, resolve } from 'node:path';
import { formatInteger } from '../../base/format.ts';
import type { RunSummary } from '../../contract/schema.ts';
import { ggufCommands } from '../../model/families/gguf.ts';
import { formatRecord, trainingRecordFile, type TrainingRecord } from '../../model/records.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { historyOf } from '../../store/run/history.ts';
import { summarizeRun } from '../../store/run/runs.ts';
import { optimizerLabels } from '../../train/optimizers/index.ts';
import type { RunSettings, WeightsKind } from '../../train/run.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { version } from '../version.ts';
import { readCardCost } from './card-cost.ts';
import { drawLossCurve, formatLossTable, extractLossCurve } from './loss-curve.ts';
import {
  describeDifference,
  ggufTitle,
  createGrowthRecordFiles,
  inheritLicense,
  limitations,
  createLineageSection,
  listMethodTags,
  type CardFact,
  type CardSection,
  type ModelCardFiles,
} from './shared.ts';

const lossDrawingFile = 'loss.svg';

/** The weights of a run that are exported. */
export interface TrainedWeights {
  readonly model: Checkpoint;
  readonly step: number;
  readonly kind: WeightsKind;
}

/** Creates the card, training.json, growth.json of a grown model, and the drawing of the loss. */
export async function createTrainingCard(
  dir: string,
  run: RunSettings,
  weights: TrainedWeights,
): Promise<ModelCardFiles> {
  const { model, step, kind } = weights;
  const curve = extractLossCurve((await historyOf(dir)).events, step);
  const drawing = drawLossCurve(curve);
  const record: TrainingRecord = {
    version: 1,
    run: resolve(dir),
    checkpoint: run.checkpoint,
    step,
    tokens: step * tokensPerStep(run.settings),
    weights: kind,
    cambium: version,
  };
  const { facts: costFacts, ...emissions } = await readCardCost(dir);
  const sections = [
    createLineageSection(model, describeTraining(run, step)),
    ...createLossSections(formatLossTable(curve), drawing !== ''),
    ...createGgufSections(model),
  ];
  return {
    card: {
      summary: summarize(run, model),
      ...(await inheritLicense(run.checkpoint)),
      baseModel: basename(model.growth?.source ?? run.checkpoint),
      tags: listMethodTags(model),
      facts: [...listTrainingFacts(run.settings, await summarizeRun(dir), weights), ...costFacts],
      ...emissions,
      sections,
      limitations,
    },
    files: {
      ...(drawing === '' ? {} : { [lossDrawingFile]: drawing }),
      ...createGrowthRecordFiles(model),
      [trainingRecordFile]: formatRecord(record),
    },
  };
}

function summarize({ settings, checkpoint }: RunSettings, { growth }: Checkpoint): string {
  if (growth) return `Grown from ${basename(growth.source)} by ${growth.method}, then trained with Cambium.`;
  const start = settings.init === 'random' ? 'random weights' : basename(checkpoint);
  return `Trained with Cambium from ${start}.`;
}

function describeTraining({ data }: RunSettings, step: number): string {
  const files = data.map((path) => `\`${basename(path)}\``).join(', ');
  return `Trained with Cambium for ${formatInteger(step)} steps on ${files}.`;
}

function listTrainingFacts(
  s: TrainingSettings,
  { loss, heldOutLoss }: RunSummary,
  { model, step, kind }: TrainedWeights,
): readonly CardFact[] {
  const tokens = step * tokensPerStep(s);
  const facts: CardFact[] = [
    ['Parameters', formatInteger(model.summary.parameters)],
    ['Trained on', `${formatInteger(tokens)} tokens in ${formatInteger(step)} steps`],
    ['Batch', `${s.microBatch} × ${s.gradAccum} sequences of ${s.contextLength} tokens`],
    ['Optimizer', describeOptimizer(s)],
  ];
  if (kind === 'ema') facts.push(['Weights', `exponential moving average with decay ${s.emaDecay}`]);
  if (kind === 'average') facts.push(['Weights', `average of the last ${s.averageCheckpoints} checkpoints`]);
  facts.push(['Loss', formatLoss(loss)], ['Held-out loss', formatLoss(heldOutLoss)]);
  const certificate = model.growth?.certificate;
  if (certificate) facts.push(['Growth certificate', describeDifference(certificate)]);
  return facts;
}

const describeOptimizer = (s: TrainingSettings): string =>
  [
    optimizerLabels[s.optimizer],
    `learning rate ${s.lr}`,
    `${s.schedule} schedule`,
    `${s.warmupSteps} warm-up steps`,
    `weight decay ${s.weightDecay}`,
    `gradient clipping ${s.gradClip}`,
  ].join(', ');

const formatLoss = (loss: number | null): string =>
  loss === null ? 'not measured' : `${loss.toFixed(4)} nats per token`;

function createLossSections(table: string, hasDrawing: boolean): readonly CardSection[] {
  if (table === '') return [];
  const drawing = hasDrawing ? `![Loss over tokens](${lossDrawingFile})\n\n` : '';
  return [{ title: 'Loss', text: `${drawing}${table}` }];
}

/** How to convert the folder to GGUF, for families that llama.cpp supports. */
const createGgufSections = ({ family }: Checkpoint): readonly CardSection[] =>
  family.gguf ? [{ title: ggufTitle, text: ggufCommands }] : [];
