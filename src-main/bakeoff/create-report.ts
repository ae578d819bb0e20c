/** @file Makes the report of a bake-off from bakeoff.json and the records of its runs. */
import { tokensPerStep } from '../train/schedule.ts';
import { concludeBakeoff } from './conclusion.ts';
import { extrapolate, type Extrapolation, type NoExtrapolation } from './extrapolate.ts';
import { mean, type SeedLosses } from './paired.ts';
import type { BakeoffReport, CandidateReport, NextRun, ProbeCurve, Spent } from './report.ts';
import {
  findCandidate,
  probeFolder,
  probeTokensOf,
  tournamentOf,
  warmupOf,
  type Candidate,
  type StoredBakeoff,
} from './state.ts';
import {
  findMeasurement,
  plannedTokens,
  standingOf,
  tokensDone,
  type Probe,
  type Standing,
} from './tournament.ts';
import { rank, type Entry, type Ranking } from './verdict.ts';

/** What the report needs beside bakeoff.json. */
export interface ReportSources {
  /** The record of a probe's run; undefined if it cannot be read. */
  readonly curveOf: (probe: Probe) => ProbeCurve | undefined;
  readonly spent: Omit<Spent, 'tokens'>;
}

/** The probes whose curves a report shows: of each candidate, those with its best learning rate so far. */
export function shownProbes(bakeoff: StoredBakeoff): readonly Probe[] {
  const { rates } = standingOf(tournamentOf(bakeoff), bakeoff.measurements);
  return bakeoff.candidates.flatMap(({ id }) => {
    const lr = rates[id] ?? bestRate(bakeoff, id);
    return lr === null ? [] : bakeoff.seeds.map((seed) => ({ candidate: id, lr, seed }));
  });
}

export function reportBakeoff(bakeoff: StoredBakeoff, { curveOf, spent }: ReportSources): BakeoffReport {
  const tournament = tournamentOf(bakeoff);
  const { measurements, rates, seeds, rungs } = bakeoff;
  const standing = standingOf(tournament, measurements);
  const isDone = standing.task === undefined;
  const candidates = bakeoff.candidates.map((candidate) =>
    reportCandidate(bakeoff, candidate, standing, curveOf),
  );
  const ranking = (tokensOf: (candidate: Candidate) => number): Ranking | null =>
    isDone ? (rank(entriesAt(bakeoff, standing, tokensOf)) ?? null) : null;
  const atEqualTokens = ranking(() => probeTokensOf(bakeoff));
  const atEqualFlops = ranking(({ equalFlopsTokens }) => equalFlopsTokens);
  const { source, target, parameters, leftOut, estimate, name, created } = bakeoff;
  const report = {
    version: 1 as const,
    name,
    created,
    source,
    target,
    parameters,
    probeTokens: probeTokensOf(bakeoff),
    plannedTokens: bakeoff.plannedTokens,
    rungs,
    rates,
    seeds,
    windows: measurements.find(({ losses }) => losses !== null)?.losses?.length ?? 0,
    contextLength: bakeoff.settings.contextLength,
    progress: progressOf(bakeoff, standing),
    candidates,
    leftOut,
    atEqualTokens,
    atEqualFlops,
    next: atEqualTokens && nextRun(bakeoff, standing, atEqualTokens.leader),
    estimate,
    spent: { tokens: tokensDone(measurements), ...spent },
  };
  return { ...report, conclusion: concludeBakeoff(report) };
}

function progressOf(bakeoff: StoredBakeoff, { dropped }: Standing): BakeoffReport['progress'] {
  const done = tokensDone(bakeoff.measurements);
  const left = new Set(dropped.map(({ candidate }) => candidate));
  const ofDropped = tokensDone(bakeoff.measurements.filter(({ candidate }) => left.has(candidate)));
  const of = plannedTokens(tournamentOf(bakeoff))
    .filter(({ id }) => !left.has(id))
    .reduce((sum, { high }) => sum + high, ofDropped);
  return { done, of: Math.max(done, of) };
}

function reportCandidate(
  bakeoff: StoredBakeoff,
  { requests, ...candidate }: Candidate,
  { rates, dropped, task }: Standing,
  curveOf: ReportSources['curveOf'],
): CandidateReport {
  const { id } = candidate;
  const own = bakeoff.measurements.filter((measured) => measured.candidate === id);
  const leaving = dropped.find((one) => one.candidate === id);
  const lr = rates[id] ?? bestRate(bakeoff, id);
  const limits = [bakeoff.rates[0], bakeoff.rates.at(-1)];
  const probeOf = (seed: number): Probe => ({ candidate: id, lr: lr!, seed });
  const curve = lr === null ? undefined : curveOf(probeOf(bakeoff.seeds[0]!));
  return {
    ...candidate,
    methods: requests.map(({ method }) => method),
    lr,
    isAtEdge: lr !== null && bakeoff.rates.length > 1 && limits.includes(lr),
    dropped: leaving ? { tokens: leaving.tokens, why: leaving.why } : null,
    probes: own.map(({ losses, ...probe }) => ({
      ...probe,
      loss: losses && mean(losses),
      run: probeFolder(probe),
    })),
    curve: curve?.heldOut ?? [],
    extrapolation:
      task || leaving || lr === null
        ? null
        : extrapolateCandidate(bakeoff, bakeoff.seeds.map(probeOf), curveOf),
  };
}

/** The learning rate of the lowest loss at the longest length that a candidate was measured at. */
function bestRate({ measurements, seeds }: StoredBakeoff, id: string): number | null {
  const own = measurements.filter(({ candidate, seed }) => candidate === id && seed === seeds[0]);
  const longest = Math.max(...own.map(({ tokens }) => tokens));
  const last = own.filter(({ tokens, losses }) => tokens === longest && losses !== null);
  return last.sort((a, b) => mean(a.losses!) - mean(b.losses!))[0]?.lr ?? null;
}

function extrapolateCandidate(
  bakeoff: StoredBakeoff,
  probes: readonly Probe[],
  curveOf: ReportSources['curveOf'],
): Extrapolation | NoExtrapolation {
  const curves = probes.flatMap((probe) => curveOf(probe) ?? []);
  if (curves.length < probes.length) return { why: 'the events of its runs cannot be read' };
  const { settings, rungs, plannedTokens: planned } = bakeoff;
  const perStep = tokensPerStep(settings);
  return extrapolate(
    curves.map(({ losses }) => losses),
    { warmup: warmupOf(settings, rungs[0]! / perStep), steps: Math.ceil(planned / perStep) },
  );
}

/** The losses of all finalists that did not diverge with any seed. */
function entriesAt(
  bakeoff: StoredBakeoff,
  { finalists, rates }: Standing,
  tokensOf: (candidate: Candidate) => number,
): readonly Entry[] {
  return finalists.flatMap((id): Entry[] => {
    const candidate = findCandidate(bakeoff, id);
    const losses = bakeoff.seeds.map((seed) => {
      const task = { candidate: id, lr: rates[id]!, seed, tokens: tokensOf(candidate) };
      return findMeasurement(bakeoff.measurements, task)?.losses ?? null;
    });
    const isWhole = (all: readonly (readonly number[] | null)[]): all is SeedLosses =>
      all.every((one) => one !== null);
    return isWhole(losses) ? [{ id, role: candidate.role, losses }] : [];
  });
}

function nextRun(bakeoff: StoredBakeoff, { rates }: Standing, id: string): NextRun {
  const probe = { candidate: id, lr: rates[id]!, seed: bakeoff.seeds[0]! };
  return { candidate: id, run: probeFolder(probe), tokens: bakeoff.plannedTokens, schedule: 'wsd' };
}
