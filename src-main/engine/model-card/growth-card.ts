/** @file The model card of a grown checkpoint. */
import { formatInteger } from '../../base/format.ts';
import { combinePromises, summarizeSizes } from '../../growth/plan/stages.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import { promiseLabels } from '../../model/promise.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { ModelCard } from '../../store/checkpoint/model-card.ts';
import { inheritFrom, type CardFact } from './shared.ts';

/** `stages` are the stages of the growth, oldest first. */
export async function createGrowthCard(
  source: Checkpoint,
  stages: readonly GrowthPlan[],
): Promise<ModelCard> {
  const { from, to, parameters } = summarizeSizes(stages);
  const promise = combinePromises(stages);
  const methods = stages.map((plan) => plan.request.method);
  const seeds = new Set(stages.map((plan) => plan.request.seed));
  const sizes = Object.keys(to)
    .filter((axis) => to[axis] !== from[axis])
    .map((axis) => `${axis} ${from[axis] ?? '-'} → ${to[axis]!}`);
  const facts: CardFact[] = [
    ['Sizes', sizes.join(', ')],
    ['Parameters', formatChange(parameters)],
  ];
  if (parameters.active) facts.push(['Active parameters', formatChange(parameters.active)]);
  facts.push(
    ['Promise', `${promiseLabels[promise.kind]}. ${promise.why.join(' ')}`],
    ['Seed', [...seeds].join(', ')],
  );
  return {
    summary: [
      `Grown from ${source.summary.name} with Cambium by ${methods.join(', then ')}.`,
      'It has not been trained since.',
      'growth.json has the plan and the certificate.',
    ].join(' '),
    ...(await inheritFrom(source.dir)),
    baseModel: source.summary.name,
    tags: [...new Set(methods)],
    facts,
  };
}

const formatChange = ({ before, after }: { readonly before: number; readonly after: number }): string =>
  `${formatInteger(before)} → ${formatInteger(after)}`;
