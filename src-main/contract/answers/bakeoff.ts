/** @file The schemas of answers about bake-offs. */
import '../no-eval.ts';
import { z } from 'zod';
import type { BakeoffReport } from '../../bakeoff/report.ts';
import { bakeoffEstimate, bakeoffPlan, leftOut } from '../../bakeoff/state.ts';
import type { Ranking } from '../../bakeoff/verdict.ts';
import type { BakeoffEvent, BakeoffSummary, BakeoffView, StartedBakeoff } from '../bakeoff.ts';
import { count, number, sizes, text, texts, waitingEvent } from './shared-schemas.ts';
import { exactly } from './exact.ts';

export { bakeoffPlan };

const maybe = number.nullable();
const role = z.enum(['grown', 'random', 'source']);
const why = z.enum(['worse', 'diverged']);
const probe = { candidate: text, lr: number, seed: count };
const progress = { done: number, of: number };

export const bakeoffEvent = exactly<BakeoffEvent>()(
  z.discriminatedUnion('type', [
    waitingEvent,
    z.object({ type: z.literal('growing'), candidate: text, ...progress }),
    z.object({ type: z.literal('training'), ...probe, loss: maybe, ...progress }),
    z.object({ type: z.literal('measured'), ...probe, tokens: number, loss: maybe }),
    z.object({ type: z.literal('dropped'), candidate: text, tokens: number, why }),
    z.object({ type: z.literal('done'), dir: text }),
  ]),
);

export const startedBakeoff = exactly<StartedBakeoff>()(z.object({ job: text, dir: text }));

const summary = {
  dir: text,
  name: text,
  source: text,
  created: text,
  state: z.enum(['running', 'paused', 'finished']),
  job: text.exactOptional(),
};
export const bakeoffSummary = exactly<BakeoffSummary>()(z.object(summary));

const point = z.object({ tokens: number, loss: number });
const candidate = z.object({
  id: text,
  title: text,
  role,
  methods: texts,
  parameters: number,
  flopsPerToken: number,
  promise: text.nullable(),
  reachesTarget: z.boolean(),
  equalFlopsTokens: number,
  lr: maybe,
  isAtEdge: z.boolean(),
  dropped: z.object({ tokens: number, why }).nullable(),
  probes: z.array(z.object({ ...probe, tokens: number, loss: maybe, run: text })),
  curve: z.array(point),
  extrapolation: z
    .union([z.object({ loss: number, low: number, high: number }), z.object({ why: text })])
    .nullable(),
});

const ranking = exactly<Ranking>()(
  z.object({
    leader: text,
    best: texts,
    rows: z.array(
      z.object({
        id: text,
        loss: number,
        difference: z.object({ mean: number, low: number, high: number }).nullable(),
        verdict: z.enum(['leader', 'not distinguishable', 'worse', 'better']),
      }),
    ),
  }),
);

const report = exactly<BakeoffReport>()(
  z.object({
    version: z.literal(1),
    name: text,
    created: text,
    source: text,
    target: sizes,
    parameters: number,
    probeTokens: number,
    plannedTokens: number,
    rungs: z.array(number),
    rates: z.array(number),
    seeds: z.array(number),
    windows: number,
    contextLength: number,
    progress: z.object(progress),
    candidates: z.array(candidate),
    leftOut: z.array(leftOut),
    atEqualTokens: ranking.nullable(),
    atEqualFlops: ranking.nullable(),
    conclusion: z.object({
      kind: z.enum(['open', 'none', 'winner', 'not distinguishable']),
      winner: text.nullable(),
      sentences: texts,
    }),
    next: z.object({ candidate: text, run: text, tokens: number, schedule: z.literal('wsd') }).nullable(),
    estimate: bakeoffEstimate,
    spent: z.object({ tokens: number, seconds: number, energy: maybe, cost: maybe }),
  }),
);

export const bakeoffView = exactly<BakeoffView>()(z.object({ ...summary, report }));
