/** @file What the model cards of grown and exported folders say. */
import { basename } from 'node:path';
import type { RunCard } from '../contract/schema.ts';
import type { GrowthPlan } from '../growth/recipe.ts';
import type { Checkpoint } from '../store/checkpoint.ts';
import { licenseOf, type License, type ModelCard } from '../store/model-card.ts';
import type { RunSettings } from '../train/run.ts';
import { tokensPerStep } from '../train/schedule.ts';

/** The licence that a source's own card states goes on to what is made from it. */
const inherited = async (dir: string): Promise<{ license?: License }> => { const license = await licenseOf(dir); return license ? { license } : {}; };

export async function exportCard(run: RunSettings, card: RunCard, model: Checkpoint, step: number): Promise<ModelCard> {
  const s = run.settings, grown = model.growth, nats = (loss: number | null): string => (loss === null ? 'not measured' : `${loss.toFixed(4)} nats per token`);
  return {
    summary: grown
      ? `Grown from ${basename(grown.source)} by the method ${grown.method}, then trained with Cambium.`
      : `Trained with Cambium from ${s.start === 'source' ? basename(run.checkpoint) : 'random weights'}.`,
    ...await inherited(run.checkpoint),
    base: basename(grown?.source ?? run.checkpoint),
    tags: grown ? [grown.method] : [],
    facts: [
      ['Parameters', model.card.parameters.toLocaleString('en')],
      ['Trained on', `${(step * tokensPerStep(s)).toLocaleString('en')} tokens in ${step} steps`],
      ['Batch', `${s.batch} × ${s.accumulate} sequences of ${s.sequence} tokens`],
      ['Optimizer', `AdamW, learning rate ${s.lr}, ${s.schedule}, warm-up ${s.warmup} steps, decay ${s.decay}, clip ${s.clip}`],
      ['Loss', nats(card.loss)], ['Held-out loss', nats(card.heldOutLoss)],
      ...(grown?.certificate ? [['Growth certificate', `largest logit difference ${grown.certificate.maxLogit.toExponential(2)} over ${grown.certificate.tokens} tokens`] as const] : []),
    ],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}

export async function growthCard(source: Checkpoint, plan: GrowthPlan): Promise<ModelCard> {
  const grown = Object.keys(plan.to).filter((axis) => plan.to[axis] !== plan.from[axis]).map((axis) => `${axis} ${plan.from[axis]!} → ${plan.to[axis]!}`);
  return {
    summary: `Grown from ${source.card.name} by the method ${plan.request.method} with Cambium; not trained since. growth.json holds the plan and the certificate.`,
    ...await inherited(source.dir),
    base: source.card.name,
    tags: [plan.request.method],
    facts: [['Sizes', grown.join(', ')], ['Parameters', `${plan.parameters.before.toLocaleString('en')} → ${plan.parameters.after.toLocaleString('en')}`], ['Promise', `${plan.promise.kind}: ${plan.promise.why.join(' ')}`], ['Seed', String(plan.request.seed)]],
    limits: ['It carries the limits and the licence of the model it came from.'],
  };
}
