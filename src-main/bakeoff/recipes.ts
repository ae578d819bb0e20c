/**
 * @file The candidates of a bake-off: for each growth method a recipe that reaches the target sizes, or, where the
 * method cannot grow what the target asks for, about the target's number of parameters.
 */
import { AppError, describeError, refuse } from '../base/errors.ts';
import type { GrowthMethod } from '../growth/method.ts';
import { findMethod, methods } from '../growth/methods/index.ts';
import { combinePromises, planStages } from '../growth/plan/stages.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../growth/recipe.ts';
import { familyById } from '../model/families/index.ts';
import { countParameters } from '../model/parameters.ts';
import type { PromiseKind } from '../model/promise.ts';
import type { Dims } from '../tensor/layout.ts';

/** A candidate that is grown. */
export interface GrownCandidate {
  readonly id: string;
  readonly requests: readonly GrowthRequest[];
  readonly plans: readonly GrowthPlan[];
  readonly parameters: number;
  readonly promise: PromiseKind;
  /** Whether it has the sizes of the target; otherwise only about as many parameters. */
  readonly reachesTarget: boolean;
}

/** A method that is not a candidate; `why` is a clause. */
export interface LeftOut {
  readonly id: string;
  readonly why: string;
}

export interface Candidates {
  readonly grown: readonly GrownCandidate[];
  readonly leftOut: readonly LeftOut[];
  /** A recipe that reaches the target, whose sizes random weights get. */
  readonly target: Planned;
}

/** A recipe and its plans. */
export interface Planned {
  readonly requests: readonly GrowthRequest[];
  readonly plans: readonly GrowthPlan[];
}

export interface CandidateRequest {
  /** New sizes, as in a growth request. */
  readonly to: Dims;
  /** Ids of methods; default: all that grow width or depth. */
  readonly methods?: readonly string[];
  /** Recipes of the user's own, each as a candidate. */
  readonly recipes?: readonly (readonly GrowthRequest[])[];
  /** Seed of noise and new weights. */
  readonly seed: number;
}

/** A model that has at most this share more or fewer parameters than the target has the same budget. */
const budgetTolerance = 0.25;
/** Largest multiple of layers or MLP units that is tried for the budget. */
const largestMultiple = 16;

/** Methods that grow width or depth, whose losses can be compared: same tokens, dense models. */
export const comparedMethods: readonly string[] = [...methods.values()]
  .filter(({ grows, mixture }) => !mixture && grows.some((axis) => axis !== 'vocab'))
  .map(({ id }) => id);

const growsDepth = (method: GrowthMethod): boolean => method.grows.includes('layers');

/**
 * Plans all candidates. Refuses `bakeoff/no-candidates` if no method reaches the target, and sizes that change the
 * vocabulary, because losses over other tokens cannot be compared.
 */
export function planCandidates(source: GrowthSource, request: CandidateRequest): Candidates {
  checkVocabulary(source, request.to);
  const ids = request.methods ?? comparedMethods;
  const tries = ids.map((id) => ({ id, found: tryTarget(source, findMethod(id), request) }));
  const target = tries.find(({ found }) => found.reached)?.found.reached ?? findTarget(source, request);
  const { to, parameters } = target.plans.at(-1)!;
  const leftOut: LeftOut[] = [];
  const grown: GrownCandidate[] = [];
  for (const { id, found } of tries) {
    const planned = found.reached ?? tryBudget(source, findMethod(id), parameters.after, request.seed);
    if (planned) grown.push(candidateOf(id, planned, to));
    else leftOut.push({ id, why: `${found.why}, and none of its sizes has about as many parameters` });
  }
  for (const [i, requests] of (request.recipes ?? []).entries()) {
    const planned = { requests, plans: planStages(source, requests) };
    checkVocabulary(source, planned.plans.at(-1)!.to);
    grown.push(candidateOf(`recipe ${i + 1}`, planned, to));
  }
  if (grown.length === 0)
    refuse('bakeoff/no-candidates', { why: leftOut.map(({ id, why }) => `${id}: ${why}`).join('; ') });
  return { grown, leftOut, target };
}

function checkVocabulary({ dims }: GrowthSource, { vocab }: Dims): void {
  if (vocab === undefined || vocab === dims['vocab']) return;
  refuse('bakeoff/no-candidates', {
    why: 'losses of models with other vocabularies cannot be compared: leave vocab as it is',
  });
}

function candidateOf(id: string, { requests, plans }: Planned, target: Dims): GrownCandidate {
  const { to, parameters } = plans.at(-1)!;
  const reachesTarget = Object.keys({ ...to, ...target }).every((axis) => to[axis] === target[axis]);
  const promise = combinePromises(plans).kind;
  return { id, requests, plans, parameters: parameters.after, promise, reachesTarget };
}

/** The plan of a recipe, if there is one; `why` there is none, as a clause. */
interface Try {
  readonly reached?: Planned;
  readonly why: string;
}

function tryPlan(source: GrowthSource, requests: readonly GrowthRequest[]): Try {
  try {
    return { reached: { requests, plans: planStages(source, requests) }, why: '' };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { why: describeError(error.toData())[0] };
  }
}

const requestOf = (method: string, to: Dims, seed: number): GrowthRequest => ({
  method,
  to,
  options: {},
  seed,
  dtype: 'keep',
});

/** The methods that complete a recipe: layers beside a width method, width beside a depth method. */
const depthPartner = 'identity';
const widthPartners = ['hypercloning', 'clone-pad', 'expand'] as const;

/** A recipe of `method` that reaches the target; another exact method grows what it cannot. */
function tryTarget(source: GrowthSource, method: GrowthMethod, { to, seed }: CandidateRequest): Try {
  const { layers, ...width } = to;
  const hasWidth = Object.keys(width).some((axis) => width[axis] !== source.dims[axis]);
  const hasDepth = layers !== undefined && layers !== source.dims['layers'];
  if (growsDepth(method)) {
    if (!hasDepth) return { why: 'the target has no more layers than the source' };
    const depth = requestOf(method.id, { layers }, seed);
    if (!hasWidth) return tryPlan(source, [depth]);
    return firstReached(
      widthPartners.map((id) => () => tryPlan(source, [requestOf(id, width, seed), depth])),
    );
  }
  if (!hasWidth) return { why: 'it grows no layers, and the target is no wider than the source' };
  const wide = requestOf(method.id, width, seed);
  return tryPlan(source, hasDepth ? [wide, requestOf(depthPartner, { layers }, seed)] : [wide]);
}

function firstReached(tries: readonly (() => Try)[]): Try {
  let last: Try = { why: 'no other method grows the width' };
  for (const attempt of tries) {
    last = attempt();
    if (last.reached) return last;
  }
  return last;
}

/** The target by any method that reaches it, where none of the asked methods does. */
function findTarget(source: GrowthSource, request: CandidateRequest): Planned {
  const found = firstReached(comparedMethods.map((id) => () => tryTarget(source, findMethod(id), request)));
  return found.reached ?? refuse('bakeoff/no-candidates', { why: found.why });
}

/** The recipe of `method` whose model is nearest to `parameters`; undefined if none is near. */
function tryBudget(
  source: GrowthSource,
  method: GrowthMethod,
  parameters: number,
  seed: number,
): Planned | undefined {
  const axis = (['layers', 'ffn'] as const).find((one) => method.grows.includes(one));
  const from = axis && source.dims[axis];
  if (axis === undefined || from === undefined) return undefined;
  const step = axis === 'layers' ? 1 : from;
  const family = familyById(source.family);
  const countAt = (size: number): number =>
    countParameters(family, { ...source.dims, [axis]: size }, source.settings);
  // The parameters grow in proportion to either size.
  const ideal = (parameters - countAt(from)) / (countAt(from + step) - countAt(from));
  const sizes = Array.from({ length: Math.ceil(largestMultiple * (from / step)) }, (_, i) => i + 1)
    .sort((a, b) => Math.abs(a - ideal) - Math.abs(b - ideal))
    .map((steps) => from + steps * step);
  const isNear = (size: number): boolean =>
    Math.abs(Math.log(countAt(size) / parameters)) <= Math.log1p(budgetTolerance);
  for (const size of sizes.filter(isNear)) {
    const { reached } = tryPlan(source, [requestOf(method.id, { [axis]: size }, seed)]);
    if (reached) return reached;
  }
  return undefined;
}
