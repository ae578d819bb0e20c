/** @file What the model cards of grown and exported folders say. */
import { basename } from 'node:path';
import type { RunCard } from '../contract/schema.ts';
import { extentOf, promiseOf } from '../growth/chain.ts';
import type { GrowthPlan } from '../growth/recipe.ts';
import type { Checkpoint } from '../store/checkpoint.ts';
import { licenseOf, type License, type ModelCard } from '../store/model-card.ts';
import { optimizers } from '../train/optimizers/index.ts';
import type { RunSettings, WeightsKind } from '../train/run.ts';
import { tokensPerStep } from '../train/schedule.ts';

/** The licence that a source's own card states goes on to what is made from it. */
const inherited = async (dir: string): Promise<{ license?: License }> => { const license = await licenseOf(dir); return license ? { license } : {}; };

export async function exportCard(run: RunSettings, card: RunCard, model: Checkpoint, step: number, which: WeightsKind): Promise<ModelCard> {
  const s = run.settings, grown = model.growth, nats = (loss: number | null): string => (loss === null ? 'not measured' : `${loss.toFixed(4)} nats per token`);
  return {
    summary: grown
      ? `Grown from ${basename(grown.source)} by ${grown.method}, then trained with Cambium.`
      : `Trained with Cambium from ${s.start === 'source' ? basename(run.checkpoint) : 'random weights'}.`,
    ...await inherited(run.checkpoint),
    base: basename(grown?.source ?? run.checkpoint),
    tags: grown ? [...new Set(grown.method.split(' + '))] : [],
    facts: [
      ['Parameters', model.card.parameters.toLocaleString('en')],
      ['Trained on', `${(step * tokensPerStep(s)).toLocaleString('en')} tokens in ${step} steps`],
      ['Batch', `${s.batch} × ${s.accumulate} sequences of ${s.sequence} tokens`],
      ['Optimizer', `${optimizers[s.optimizer].label}, learning rate ${s.lr}, ${s.schedule}, warm-up ${s.warmup} steps, decay ${s.decay}, clip ${s.clip}`],
      ...(which === 'raw' ? [] : [['Weights', which === 'ema' ? `the moving average with memory ${s.ema}` : `the mean of the newest ${s.average} checkpoints`] as const]),
      ['Loss', nats(card.loss)], ['Held-out loss', nats(card.heldOutLoss)],
      ...(grown?.certificate ? [['Growth certificate', `largest logit difference ${grown.certificate.maxLogit.toExponential(2)} over ${grown.certificate.tokens} tokens`] as const] : []),
    ],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}

export async function growthCard(source: Checkpoint, stages: readonly GrowthPlan[]): Promise<ModelCard> {
  const { from, to, parameters } = extentOf(stages), promise = promiseOf(stages), methods = stages.map((plan) => plan.request.method);
  const grown = Object.keys(to).filter((axis) => to[axis] !== from[axis]).map((axis) => `${axis} ${from[axis] ?? '-'} → ${to[axis]!}`);
  return {
    summary: `Grown from ${source.card.name} by the method${methods.length > 1 ? 's' : ''} ${methods.join(', then ')} with Cambium; not trained since. growth.json holds the plan and the certificate.`,
    ...await inherited(source.dir),
    base: source.card.name,
    tags: [...new Set(methods)],
    facts: [['Sizes', grown.join(', ')], ['Parameters', `${parameters.before.toLocaleString('en')} → ${parameters.after.toLocaleString('en')}`], ...(parameters.active ? [['Parameters that a token passes', `${parameters.active.before.toLocaleString('en')} → ${parameters.active.after.toLocaleString('en')}`] as const] : []), ['Promise', `${promise.kind}: ${promise.why.join(' ')}`], ['Seed', [...new Set(stages.map((plan) => plan.request.seed))].join(', ')]],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}
