/** @file Plans a bake-off: its candidates, the rungs of its probes, and what it will take. */
import { refuse } from '../../base/errors.ts';
import { estimateBakeoff, type EstimatedCandidate } from '../../bakeoff/estimate.ts';
import { planRungs } from '../../bakeoff/halving.ts';
import { planCandidates, type GrownCandidate } from '../../bakeoff/recipes.ts';
import type { BakeoffPlan, Candidate } from '../../bakeoff/state.ts';
import type { BakeoffRequest } from '../../contract/bakeoff.ts';
import { trainingFlopsPerToken } from '../../cost/flops.ts';
import { subjectOf, type Subject } from '../../cost/programs.ts';
import { sortByChoice } from '../../cost/speed.ts';
import { findMethod } from '../../growth/methods/index.ts';
import { sourceFromPlan } from '../../growth/plan/stages.ts';
import type { GrowthRequest } from '../../growth/recipe.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { findDataFiles } from '../../store/data/dataset-files.ts';
import { checkContextLength } from '../../train/run-text.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import type { Costs } from '../cost.ts';
import { toAbsolutePath } from '../dependencies.ts';

/** A candidate before its lengths are known. */
interface Draft extends Omit<Candidate, 'equalFlopsTokens' | 'flopsPerToken'> {
  readonly subject: Subject;
}

/** Refuses `bakeoff/no-candidates`, settings that would make the comparison unfair, and what a run refuses. */
export async function planBakeoff(
  costs: Pick<Costs, 'facts'>,
  request: BakeoffRequest,
): Promise<BakeoffPlan> {
  const dir = toAbsolutePath(request.source);
  const data = request.data.map(toAbsolutePath);
  const { settings, to, methods, recipes, growthSeed } = request;
  const checkpoint = await openCheckpoint(dir);
  for (const path of data) await findDataFiles(path);
  checkContextLength(checkpoint, settings);
  checkSettings(settings);
  const { summary } = checkpoint;
  if (!summary.tokenizer) refuse('checkpoint/no-tokenizer', { path: dir });
  const found = planCandidates(summary, {
    to,
    seed: growthSeed,
    ...(methods ? { methods } : {}),
    ...(recipes ? { recipes } : {}),
  });
  const target = found.target.plans.at(-1)!;
  const drafts: readonly Draft[] = [
    ...found.grown.map(draftOf),
    {
      id: 'random',
      title: 'Random weights',
      role: 'random',
      requests: copyRequests(found.target.requests),
      parameters: target.parameters.after,
      promise: null,
      reachesTarget: true,
      subject: sourceFromPlan(target),
    },
    {
      id: 'source',
      title: 'Source, trained on',
      role: 'source',
      requests: [],
      parameters: summary.parameters,
      promise: null,
      reachesTarget: false,
      subject: subjectOf(checkpoint),
    },
  ];
  const facts = await costs.facts(dir);
  const targets = sortByChoice(facts.targets, settings.device);
  const rates = [...new Set(request.rates)].sort((a, b) => a - b);
  const perStep = tokensPerStep(settings);
  const probeSteps = Math.max(1, Math.ceil(request.probeTokens / perStep));
  const rungs = planRungs(probeSteps, rates.length, found.grown.length).map((steps) => steps * perStep);
  const candidates = addLengths(drafts, settings, targets[0]?.kind ?? 'cpu', probeSteps);
  checkLength(settings, candidates);
  const seeds = Array.from({ length: request.seeds }, (_, i) => settings.seed + i);
  const estimated = drafts.map(({ id, subject, role }): EstimatedCandidate => ({
    id,
    subject,
    isGrown: role === 'grown',
  }));
  return {
    name: request.name ?? summary.name,
    source: dir,
    data,
    ...(request.weights ? { weights: request.weights } : {}),
    ...(request.field === undefined ? {} : { field: request.field }),
    target: { ...target.to },
    parameters: target.parameters.after,
    settings,
    plannedTokens: settings.tokens,
    candidates: [...candidates],
    leftOut: [...found.leftOut],
    rates,
    seeds,
    rungs: [...rungs],
    estimate: estimateBakeoff({ candidates, rates, seeds, rungs }, estimated, settings, {
      ...facts,
      targets,
    }),
  };
}

const copyRequests = (requests: readonly GrowthRequest[]): Candidate['requests'] =>
  requests.map(({ to, options, ...rest }) => ({ ...rest, to: { ...to }, options: { ...options } }));

function draftOf({ id, requests, plans, parameters, promise, reachesTarget }: GrownCandidate): Draft {
  const titles = requests.map(({ method }) => findMethod(method).title);
  return {
    id,
    title: titles.join(', then '),
    role: 'grown',
    requests: copyRequests(requests),
    parameters,
    promise,
    reachesTarget,
    subject: sourceFromPlan(plans.at(-1)!),
  };
}

/** Adds the FLOPs of a token, and the tokens at which all have used as many as the most expensive probe. */
function addLengths(
  drafts: readonly Draft[],
  settings: TrainingSettings,
  device: Parameters<typeof trainingFlopsPerToken>[2],
  probeSteps: number,
): readonly Candidate[] {
  const flops = drafts.map(({ subject }) => trainingFlopsPerToken(subject, settings, device));
  const most = Math.max(...flops);
  return drafts.map(({ subject: _, ...draft }, i) => ({
    ...draft,
    flopsPerToken: flops[i]!,
    equalFlopsTokens: Math.round((probeSteps * most) / flops[i]!) * tokensPerStep(settings),
  }));
}

function checkSettings({ distillWeight, heldOut }: TrainingSettings): void {
  if (distillWeight > 0)
    refuse('run/bad-setting', {
      setting: 'the distillation weight',
      why: 'must be 0 in a bake-off: it falls over the length of a run, so a probe would not be its beginning',
    });
  if (heldOut === 0)
    refuse('run/bad-setting', {
      setting: 'the held-out fraction',
      why: 'must not be 0 in a bake-off, which compares held-out losses',
    });
}

/** The winner's probe becomes the run, so the run must be longer than the longest probe of the new size. */
function checkLength({ tokens }: TrainingSettings, candidates: readonly Candidate[]): void {
  const longest = Math.max(
    ...candidates.filter(({ role }) => role !== 'source').map(({ equalFlopsTokens }) => equalFlopsTokens),
  );
  if (tokens > longest) return;
  refuse('run/bad-setting', {
    setting: 'the planned length',
    why: `is ${tokens} tokens, and the probes are trained on up to ${longest}: plan a longer run or shorter probes`,
  });
}
