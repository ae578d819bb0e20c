/** @file The model card of weights that were trained in a run. */
import { basename, resolve } from 'node:path';
import { formatInteger } from '../../base/format.ts';
import type { RunSummary } from '../../contract/schema.ts';
import { ggufCommands } from '../../model/families/gguf.ts';
import { formatRecord, trainingRecordFile, type TrainingRecord } from '../../model/records.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { EvaluationResult, Inherited, ModelCard } from '../../store/checkpoint/model-card.ts';
import { historyOf } from '../../store/run/history.ts';
import { summarizeRun } from '../../store/run/runs.ts';
import { optimizerLabels } from '../../train/optimizers/index.ts';
import type { AveragedEvent, EvaluatedEvent, RunEvent, RunSettings, WeightsKind } from '../../train/run.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { version } from '../version.ts';
import { readCardCost } from './card-cost.ts';
import { drawLossCurve, formatLossTable, extractLossCurve } from './loss-curve.ts';
import {
  describeDifference,
  ggufTitle,
  createGrowthRecordFiles,
  inheritFrom,
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
  const { step, kind } = weights;
  const isRandom = run.settings.init === 'random';
  const model = isRandom ? { ...weights.model, growth: null } : weights.model;
  const { events } = await historyOf(dir);
  const curve = extractLossCurve(events, step);
  const drawing = drawLossCurve(curve);
  const record: TrainingRecord = {
    version: 1,
    run: resolve(dir),
    checkpoint: run.checkpoint,
    step,
    tokens: step * tokensPerStep(run.settings),
    ...(isRandom ? { init: 'random' } : {}),
    weights: kind,
    cambium: version,
  };
  const { facts: costFacts, ...emissions } = await readCardCost(dir);
  const sections = [
    isRandom ? createRandomLineage(run, step) : createLineageSection(model, describeTraining(run, step)),
    ...createLossSections(formatLossTable(curve), drawing !== ''),
    ...createGgufSections(model),
  ];
  return {
    card: {
      summary: summarize(run, model),
      ...(isRandom ? { limitations: listRandomLimitations(run) } : await inheritedFrom(run, model)),
      tags: listMethodTags(model),
      facts: [
        ...listTrainingFacts(run.settings, await summarizeRun(dir), { ...weights, model }),
        ...costFacts,
      ],
      ...emissions,
      results: listResults(events, run, weights),
      sections,
    },
    files: {
      ...(drawing === '' ? {} : { [lossDrawingFile]: drawing }),
      ...createGrowthRecordFiles(model),
      [trainingRecordFile]: formatRecord(record),
    },
  };
}

/** The held-out loss of the exported weights, if they were evaluated. */
function listResults(
  events: readonly RunEvent[],
  { data }: RunSettings,
  { step, kind }: TrainedWeights,
): readonly EvaluationResult[] {
  const isOfWeights = (event: RunEvent): event is EvaluatedEvent | AveragedEvent =>
    kind === 'raw' ? event.type === 'evaluated' : event.type === 'averaged' && event.weights === kind;
  const evaluated = events.findLast((event) => isOfWeights(event) && event.step === step);
  const text = `held-out part of ${data.map((path) => basename(path)).join(', ')}`;
  return evaluated && isOfWeights(evaluated) ? [{ text, loss: evaluated.loss }] : [];
}

/** What the card says only of weights that come from another model. */
const inheritedFrom = async (
  { checkpoint }: RunSettings,
  { growth }: Checkpoint,
): Promise<Inherited & Pick<ModelCard, 'baseModel' | 'limitations'>> => ({
  ...(await inheritFrom(checkpoint)),
  baseModel: basename(growth?.source ?? checkpoint),
});

function summarize({ settings, checkpoint }: RunSettings, { growth }: Checkpoint): string {
  const origin = basename(checkpoint);
  if (settings.init === 'random')
    return `Trained with Cambium from random weights. It has the architecture and the tokenizer of ${origin}.`;
  if (growth) return `Grown from ${basename(growth.source)} by ${growth.method}, then trained with Cambium.`;
  return `Trained with Cambium from ${origin}.`;
}

const createRandomLineage = (run: RunSettings, step: number): CardSection => ({
  title: 'Lineage',
  text: [
    `1. Random weights with the architecture and the tokenizer of \`${basename(run.checkpoint)}\``,
    `2. ${describeTraining(run, step)}`,
  ].join('\n'),
});

const listRandomLimitations = ({ checkpoint }: RunSettings): readonly string[] => [
  `No weight of this model comes from ${basename(checkpoint)}; only its configuration and its tokenizer do.`,
  'It was trained on nothing but the text named above.',
];

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
