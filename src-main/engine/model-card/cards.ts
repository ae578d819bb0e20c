/** @file What the model cards of grown and exported folders say. */
import { basename, resolve } from 'node:path';
import type { RunCard } from '../../contract/schema.ts';
import { ggufCommands } from '../../model/families/gguf.ts';
import { extentOf, promiseOf } from '../../growth/plan/chain.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import {
  growthRecordFile,
  recordText,
  trainingRecordFile,
  type TrainingRecord,
} from '../../model/records.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { licenseOf, type License, type ModelCard } from '../../store/checkpoint/model-card.ts';
import { historyOf } from '../../store/run/history.ts';
import { runCard } from '../../store/run/runs.ts';
import { optimizers } from '../../train/optimizers/index.ts';
import type { RunSettings, WeightsKind } from '../../train/run.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import { costOf } from './card-cost.ts';
import { curveOf, lossDrawing, lossTable } from './loss-curve.ts';
import { version } from '../version.ts';

/** The licence that a source's own card states goes on to what is made from it. */
const inherited = async (dir: string): Promise<{ license?: License }> => {
  const license = await licenseOf(dir);
  return license ? { license } : {};
};

const lossFile = 'loss.svg';

/** What lies beside exported weights: the model card, and the files of its records and drawings. */
export interface Papers {
  readonly card: ModelCard;
  readonly files: Readonly<Record<string, string>>;
}

/** How the model came to be, oldest first. */
function lineage({ growth, card }: Checkpoint, trained?: string): string {
  const { certificate } = growth ?? {};
  return [
    ...(growth
      ? [
          `1. \`${basename(growth.source)}\``,
          `2. grown by ${growth.method}${certificate ? `; certificate: ${certificate.promise}, largest logit difference ${certificate.maxLogit.toExponential(2)} (tolerance ${certificate.tolerance.toExponential(1)}) over ${certificate.tokens.toLocaleString('en')} tokens on ${certificate.device}, ${certificate.passed ? 'passed' : 'not passed'}` : '; not certified'}`,
        ]
      : [`1. \`${card.name}\``]),
    ...(trained === undefined ? [] : [`${growth ? 3 : 2}. ${trained}`]),
  ].join('\n');
}

/** How to make a GGUF file of a folder for transformers, where that can be. */
const gguf = ({ family }: Checkpoint): NonNullable<ModelCard['sections']> =>
  family.gguf ? [{ title: ggufTitle, text: ggufCommands }] : [];
const ggufTitle = 'GGUF';

/** The growth's record, carried on to whatever is made from a grown model. */
const growthFile = ({ growth }: Checkpoint): Papers['files'] =>
  growth ? { [growthRecordFile]: recordText(growth) } : {};

/** Of a checkpoint as it is. */
export const checkpointPapers = async (model: Checkpoint): Promise<Papers> => ({
  card: await checkpointCard(model),
  files: growthFile(model),
});

async function checkpointCard(model: Checkpoint): Promise<ModelCard> {
  const { growth } = model;
  return {
    summary: growth
      ? `Grown from ${basename(growth.source)} by ${growth.method} with Cambium.`
      : `${model.card.name}, written by Cambium.`,
    ...(await inherited(model.dir)),
    base: basename(growth?.source ?? model.card.name),
    tags: growth ? [...new Set(growth.method.split(' + '))] : [],
    facts: [['Parameters', model.card.parameters.toLocaleString('en')]],
    sections: [{ title: 'Lineage', text: lineage(model) }],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}

/** The card of the ONNX file of a model whose card is `card`. */
export const onnxCard = (card: ModelCard, model: Checkpoint, most: number): ModelCard => ({
  ...card,
  library: 'onnxruntime',
  tags: [...card.tags, 'onnx'],
  facts: [
    ...card.facts,
    ['File', 'model.onnx and model.onnx.data, float32, opset 21, batch 1, lengths open'],
    ['Positions', most.toLocaleString('en')],
  ],
  sections: [
    ...(card.sections ?? []).filter(({ title }) => title !== ggufTitle),
    {
      title: 'Use',
      text: [
        `Inputs: \`input_ids\` and \`position_ids\` [1, sequence], \`attention_mask\` [1, past + sequence], and for each of the ${model.dims['layers']!} layers \`past_key_values.{i}.key\` and \`.value\`, of length 0 at the start. Outputs: \`logits\` [1, sequence, vocab] and \`present.{i}.key\` and \`.value\`, the next run's past.`,
        '',
        '```py',
        'import numpy as np, onnxruntime as ort',
        'from tokenizers import Tokenizer',
        '',
        'tokenizer, session = Tokenizer.from_file("tokenizer.json"), ort.InferenceSession("model.onnx")',
        'past = {i.name: np.zeros([1, i.shape[1], 0, i.shape[3]], np.float32) for i in session.get_inputs() if i.name.startswith("past")}',
        'text, seen = tokenizer.encode("Once upon a time").ids, 0',
        'new = text',
        'for _ in range(64):',
        '    end = seen + len(new)',
        '    feeds = {"input_ids": [new], "attention_mask": [[1] * end], "position_ids": [list(range(seen, end))]}',
        '    out = dict(zip((o.name for o in session.get_outputs()), session.run(None, {k: np.array(v, np.int64) for k, v in feeds.items()} | past)))',
        '    past, seen = {name: out[name.replace("past_key_values", "present")] for name in past}, end',
        '    new = [int(out["logits"][0, -1].argmax())]',
        '    text = text + new',
        'print(tokenizer.decode(text))',
        '```',
      ].join('\n'),
    },
  ],
});

/** Of a run's weights at a step. */
export async function exportPapers(
  dir: string,
  run: RunSettings,
  model: Checkpoint,
  step: number,
  which: WeightsKind,
): Promise<Papers> {
  const curve = curveOf((await historyOf(dir)).events, step);
  const drawing = lossDrawing(curve);
  const record: TrainingRecord = {
    version: 1,
    run: resolve(dir),
    checkpoint: run.checkpoint,
    step,
    tokens: step * tokensPerStep(run.settings),
    weights: which,
    cambium: version,
  };
  return {
    card: await exportCard(run, await runCard(dir), model, {
      step,
      which,
      drawn: drawing !== '',
      table: lossTable(curve),
    }),
    files: {
      ...(drawing === '' ? {} : { [lossFile]: drawing }),
      ...growthFile(model),
      [trainingRecordFile]: recordText(record),
    },
  };
}

async function exportCard(
  run: RunSettings,
  card: RunCard,
  model: Checkpoint,
  {
    step,
    which,
    drawn,
    table,
  }: { readonly step: number; readonly which: WeightsKind; readonly drawn: boolean; readonly table: string },
): Promise<ModelCard> {
  const { facts: cost, ...emitted } = await costOf(card.dir);
  const s = run.settings;
  const grown = model.growth;
  const nats = (loss: number | null): string =>
    loss === null ? 'not measured' : `${loss.toFixed(4)} nats per token`;
  return {
    summary: grown
      ? `Grown from ${basename(grown.source)} by ${grown.method}, then trained with Cambium.`
      : `Trained with Cambium from ${s.start === 'source' ? basename(run.checkpoint) : 'random weights'}.`,
    ...(await inherited(run.checkpoint)),
    base: basename(grown?.source ?? run.checkpoint),
    tags: grown ? [...new Set(grown.method.split(' + '))] : [],
    facts: [
      ['Parameters', model.card.parameters.toLocaleString('en')],
      ['Trained on', `${(step * tokensPerStep(s)).toLocaleString('en')} tokens in ${step} steps`],
      ['Batch', `${s.batch} × ${s.accumulate} sequences of ${s.sequence} tokens`],
      [
        'Optimizer',
        `${optimizers[s.optimizer].label}, learning rate ${s.lr}, ${s.schedule}, warm-up ${s.warmup} steps, decay ${s.decay}, clip ${s.clip}`,
      ],
      ...(which === 'raw'
        ? []
        : [
            [
              'Weights',
              which === 'ema'
                ? `the moving average with memory ${s.ema}`
                : `the mean of the newest ${s.average} checkpoints`,
            ] as const,
          ]),
      ['Loss', nats(card.loss)],
      ['Held-out loss', nats(card.heldOutLoss)],
      ...(grown?.certificate
        ? [
            [
              'Growth certificate',
              `largest logit difference ${grown.certificate.maxLogit.toExponential(2)} over ${grown.certificate.tokens} tokens`,
            ] as const,
          ]
        : []),
      ...cost,
    ],
    ...emitted,
    sections: [
      {
        title: 'Lineage',
        text: lineage(
          model,
          `trained by Cambium for ${step.toLocaleString('en')} steps on ${run.data.map((path) => `\`${basename(path)}\``).join(', ')}`,
        ),
      },
      ...(table === ''
        ? []
        : [
            {
              title: 'Loss',
              text: [...(drawn ? [`![Loss over tokens](${lossFile})`, ''] : []), table].join('\n'),
            },
          ]),
      ...gguf(model),
    ],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}

export async function growthCard(source: Checkpoint, stages: readonly GrowthPlan[]): Promise<ModelCard> {
  const { from, to, parameters } = extentOf(stages);
  const promise = promiseOf(stages);
  const methods = stages.map((plan) => plan.request.method);
  const grown = Object.keys(to)
    .filter((axis) => to[axis] !== from[axis])
    .map((axis) => `${axis} ${from[axis] ?? '-'} → ${to[axis]!}`);
  return {
    summary: `Grown from ${source.card.name} by the method${methods.length > 1 ? 's' : ''} ${methods.join(', then ')} with Cambium; not trained since. growth.json holds the plan and the certificate.`,
    ...(await inherited(source.dir)),
    base: source.card.name,
    tags: [...new Set(methods)],
    facts: [
      ['Sizes', grown.join(', ')],
      ['Parameters', `${parameters.before.toLocaleString('en')} → ${parameters.after.toLocaleString('en')}`],
      ...(parameters.active
        ? [
            [
              'Parameters that a token passes',
              `${parameters.active.before.toLocaleString('en')} → ${parameters.active.after.toLocaleString('en')}`,
            ] as const,
          ]
        : []),
      ['Promise', `${promise.kind}: ${promise.why.join(' ')}`],
      ['Seed', [...new Set(stages.map((plan) => plan.request.seed))].join(', ')],
    ],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}
