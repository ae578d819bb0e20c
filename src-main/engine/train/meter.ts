/**
 * @file Measures a run while it trains: memory, power, cost and pace. It replaces the estimate by the measured
 * pace, stops the run when a budget is spent, and keeps the actual figures in estimate.json.
 */
import { join } from 'node:path';
import type { DeviceKind } from '../../base/device.ts';
import { costFile, costOf, hasEstimatedSettings, parseRecord, type RunActuals } from '../../cost/record.ts';
import { readJsonIfValid, writeJson } from '../../store/fs/files.ts';
import type { BudgetKind, RunEvent, StartedEvent, StepEvent, UsageEvent } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import type { GpuReading } from '../device/gpu-readings.ts';
import { watchPower, type PowerMeter } from '../device/power.ts';

export interface Meter {
  /** The event, with the meter's own events before or after it. */
  take(event: RunEvent): Promise<readonly RunEvent[]>;
  /** True once a budget is spent. */
  isBudgetSpent(): boolean;
  /** Energy of the run so far in joules, all sessions together; null if unknown. */
  joules(): number | null;
  close(): void;
}

/** A GPU without readings: the figures of this process say nothing about it. */
const noReading: GpuReading = { watts: null, utilisation: null, memory: null, temperature: null };

const secondsBetweenReadings = 5;
/** Steps after which the pace is reported. */
const paceSteps = 20;
/** First steps that the pace leaves out: they warm up caches. */
const warmupSteps = 5;
const joulesPerKilowattHour = 3.6e6;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Where a budget ends in this session: a run that resumes after a spent budget gets it once more. */
export function budgetEnd(limit: number, spent: number): number {
  if (limit <= 0) return Infinity;
  return limit * (Math.floor(spent / limit + 1e-9) + 1);
}

/** Opens the meter of a run; `now` is a clock in seconds. */
export async function openMeter(
  dir: string,
  settings: TrainingSettings,
  now: () => number = () => performance.now() / 1000,
): Promise<Meter> {
  const file = join(dir, costFile);
  const record = parseRecord(await readJsonIfValid(file));
  const earlier = record?.actual;
  const overhead = record?.assumptions.pueOwn ?? 1;
  const stepTimes: number[] = [];
  let totalSteps = stepsOf(settings);
  let power: PowerMeter | undefined;
  let device: DeviceKind = 'cpu';
  let startedAt: number | undefined;
  let lastReading = 0;
  let sessionJoules: number | null = null;
  let isSpent = false;
  let isPaceReported = false;
  let hasGrown = false;
  let peakMemory = earlier?.memory ?? 0;
  let tokens = earlier?.tokens ?? 0;
  let budgetEnds: Readonly<Record<BudgetKind, number>> | undefined;
  const cpuLoad = createCpuLoad(now);

  const sessionSeconds = (): number => (startedAt === undefined ? 0 : now() - startedAt);
  const seconds = (): number => (earlier?.seconds ?? 0) + sessionSeconds();
  const energy = (): number | null => {
    const before = earlier?.energy ?? null;
    if (sessionJoules === null) return before;
    return (before ?? 0) + (sessionJoules * overhead) / joulesPerKilowattHour;
  };
  const cost = (atSeconds = seconds()): number | null =>
    record ? costOf(record, atSeconds, energy()) : null;

  async function readUsage(step: number): Promise<UsageEvent> {
    lastReading = now();
    sessionJoules = (await power?.joules()) ?? null;
    const elapsed = sessionSeconds();
    const atSeconds = seconds();
    const common = {
      type: 'usage' as const,
      step,
      seconds: atSeconds,
      energy: energy(),
      powerSource: power?.source() ?? null,
      cost: cost(atSeconds),
    };
    const averageWatts = sessionJoules === null || elapsed === 0 ? null : sessionJoules / elapsed;
    if (device === 'cpu') {
      peakMemory = Math.max(peakMemory, process.resourceUsage().maxRSS * 1024);
      const memory = process.memoryUsage().rss;
      return { ...common, memory, watts: averageWatts, utilisation: cpuLoad(), temperature: null };
    }
    const gpu = power?.newest() ?? noReading;
    peakMemory = Math.max(peakMemory, gpu.memory ?? 0);
    const { memory, utilisation, temperature } = gpu;
    return { ...common, memory, watts: gpu.watts ?? averageWatts, utilisation, temperature };
  }

  const spentByKind = (): Readonly<Record<BudgetKind, number>> => ({
    cost: cost() ?? 0,
    hours: seconds() / 3600,
    tokens,
  });

  function checkBudgets(step: number): readonly RunEvent[] {
    if (isSpent || !budgetEnds) return [];
    const spent = spentByKind();
    const ends = budgetEnds;
    const what = (Object.keys(ends) as BudgetKind[]).find((kind) => spent[kind] >= ends[kind]);
    if (what === undefined) return [];
    isSpent = true;
    return [{ type: 'budget', step, what, limit: ends[what], spent: spent[what] }];
  }

  function reportPace(step: number): readonly RunEvent[] {
    if (isPaceReported || stepTimes.length !== paceSteps) return [];
    isPaceReported = true;
    const stepSeconds = median(stepTimes.slice(warmupSteps));
    const secondsLeft = stepSeconds * Math.max(0, totalSteps - step);
    const estimated = hasGrown ? null : (record?.estimate?.stepSeconds ?? null);
    return [{ type: 'measured', step, stepSeconds, estimated, secondsLeft }];
  }

  async function saveActuals(step: number): Promise<void> {
    if (!record) return;
    const settled = stepTimes.length > warmupSteps ? stepTimes.slice(warmupSteps) : stepTimes;
    const stepSeconds = settled.length > 0 ? median(settled) : earlier?.stepSeconds;
    if (stepSeconds === undefined) return;
    const atSeconds = seconds();
    const isOther =
      hasGrown || earlier?.hasOtherSettings === true || !hasEstimatedSettings(record, device, settings);
    const actual: RunActuals = {
      steps: step,
      tokens,
      seconds: atSeconds,
      stepSeconds,
      memory: peakMemory,
      energy: energy(),
      powerSource: power?.source() ?? null,
      cost: cost(atSeconds),
      time: new Date().toISOString(),
      ...(isOther ? { hasOtherSettings: true } : {}),
    };
    await writeJson(file, { ...record, actual });
  }

  async function start(event: StartedEvent): Promise<void> {
    startedAt = now();
    device = event.device;
    const assumedWatts = record?.kind === event.device ? record.estimate?.watts : undefined;
    power = await watchPower(event.device, assumedWatts);
    const spent = spentByKind();
    budgetEnds = {
      cost: budgetEnd(settings.budgetCost, spent.cost),
      hours: budgetEnd(settings.budgetHours, spent.hours),
      tokens: budgetEnd(settings.budgetTokens, spent.tokens),
    };
  }

  async function takeStep(event: StepEvent): Promise<readonly RunEvent[]> {
    stepTimes.push(event.seconds);
    tokens = event.tokens;
    const isDue = now() - lastReading >= secondsBetweenReadings || stepTimes.length === 1;
    const usage = isDue ? [await readUsage(event.step)] : [];
    return [event, ...usage, ...reportPace(event.step), ...checkBudgets(event.step)];
  }

  return {
    async take(event) {
      switch (event.type) {
        case 'started':
          await start(event);
          return [event];
        case 'rescheduled':
          totalSteps = event.steps;
          return [event];
        case 'grown':
          // The steps of the larger model take longer, and no estimate was of them alone.
          totalSteps = event.steps;
          stepTimes.length = 0;
          isPaceReported = false;
          hasGrown = true;
          return [event];
        case 'saved':
          await saveActuals(event.step);
          return [event];
        case 'stopped': {
          const usage = power ? [await readUsage(event.step)] : [];
          await saveActuals(event.step);
          return [...usage, event];
        }
        case 'step':
          return budgetEnds ? takeStep(event) : [event];
        default:
          return [event];
      }
    },
    isBudgetSpent: () => isSpent,
    joules() {
      const kilowattHours = energy();
      return kilowattHours === null ? null : (kilowattHours * joulesPerKilowattHour) / overhead;
    },
    close() {
      power?.close();
    },
  };
}

/** A function that returns the cores in use since its last call; null at the first one. */
function createCpuLoad(now: () => number): () => number | null {
  let last: { readonly at: number; readonly micros: number } | undefined;
  return () => {
    const { user, system } = process.cpuUsage();
    const current = { at: now(), micros: user + system };
    const cores = last && (current.micros - last.micros) / 1e6 / Math.max(1e-3, current.at - last.at);
    last = current;
    return cores ?? null;
  };
}
