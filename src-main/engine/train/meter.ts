/**
 * @file A run's meter: what it holds, draws and has spent while it trains, when its measured pace replaces
 * the estimate, when its budget is spent, and the record it leaves.
 */
import { join } from 'node:path';
import type { DeviceKind } from '../../base/device.ts';
import { costFile, isAsTold, moneyFor, recordIn } from '../../cost/record.ts';
import { readIfSound, writeJson } from '../../store/fs/files.ts';
import type { BudgetKind, Reading, RunEvent } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import type { GpuReading } from '../device/gpu-readings.ts';
import { watchPower, type Power } from '../device/power.ts';

export interface Meter {
  /** The event with what is to be told before or after it. */
  take(event: RunEvent): Promise<readonly RunEvent[]>;
  /** Whether a budget is spent. */
  reached(): boolean;
  /** Joules of the run so far, all sittings together. */
  joules(): number | null;
  close(): void;
}

/** Of a GPU that nobody reads: what this process holds and does says nothing of it. */
const unread: GpuReading = { watts: null, utilisation: null, memory: null, temperature: null };
/** Seconds between two readings; steps after which the pace is told, of which the first few are left out. */
const every = 5;
const settled = 20;
const skipped = 5;
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Bounds of this sitting: what is granted once more when a run goes on after a budget was spent. */
export function allowance(limit: number | undefined, spent: number): number {
  if (!limit || limit <= 0) return Infinity;
  return limit * (Math.floor(spent / limit + 1e-9) + 1);
}

export async function openMeter(
  dir: string,
  s: TrainingSettings,
  now: () => number = () => performance.now() / 1000,
): Promise<Meter> {
  const file = join(dir, costFile);
  const record = recordIn(await readIfSound(file));
  const before = record?.came;
  const pue = record?.assumptions.pueOwn ?? 1;
  const pace: number[] = [];
  let steps = stepsOf(s);
  let power: Power | undefined;
  let device: DeviceKind = 'cpu';
  let began = 0;
  let last = 0;
  let joules: number | null = null;
  let spent = false;
  let told = false;
  let peak = before?.memory ?? 0;
  let tokens = before?.tokens ?? 0;
  let grants: Readonly<Record<BudgetKind, number>> | undefined;

  const seconds = (): number => (before?.seconds ?? 0) + (began ? now() - began : 0);
  const energy = (): number | null => {
    const earlier = before?.energy ?? null;
    return joules === null ? earlier : (earlier ?? 0) + (joules * pue) / 3.6e6;
  };
  const money = (held = seconds()): number | null => (record ? moneyFor(record, held, energy()) : null);
  const reading = async (step: number): Promise<Reading> => {
    last = now();
    joules = (await power?.joules()) ?? null;
    const gpu = device === 'cpu' ? undefined : (power?.newest() ?? unread);
    const memory = gpu ? gpu.memory : process.memoryUsage().rss;
    const used = process.cpuUsage();
    peak = Math.max(peak, gpu ? (gpu.memory ?? 0) : process.resourceUsage().maxRSS * 1024);
    const held = seconds();
    return {
      at: 'reading',
      step,
      seconds: held,
      memory,
      watts: gpu?.watts ?? (joules === null || now() === began ? null : joules / (now() - began)),
      utilisation: gpu ? gpu.utilisation : busy(used),
      temperature: gpu?.temperature ?? null,
      energy: energy(),
      power: power?.source() ?? null,
      money: money(held),
    };
  };
  let load = { at: 0, micros: 0 };
  /** Cores at work since the last reading. */
  function busy({ user, system }: NodeJS.CpuUsage): number | null {
    const at = now();
    const micros = user + system;
    const share = load.at > 0 ? (micros - load.micros) / 1e6 / Math.max(1e-3, at - load.at) : null;
    load = { at, micros };
    return share;
  }
  const amounts = (): Readonly<Record<BudgetKind, number>> => ({
    money: money() ?? 0,
    hours: seconds() / 3600,
    tokens,
  });
  const overspent = (step: number): readonly RunEvent[] => {
    const have = amounts();
    const what = (['money', 'hours', 'tokens'] as const).find((kind) => have[kind] >= grants![kind]);
    if (what === undefined || spent) return [];
    spent = true;
    return [{ at: 'budget', step, what, limit: grants![what], spent: have[what] }];
  };
  const measured = (step: number): RunEvent => {
    told = true;
    const stepSeconds = median(pace.slice(skipped));
    return {
      at: 'measured',
      step,
      stepSeconds,
      told: record?.told?.stepSeconds ?? null,
      secondsLeft: stepSeconds * Math.max(0, steps - step),
    };
  };
  const keep = async (step: number): Promise<void> => {
    const stepSeconds =
      pace.length > 0 ? median(pace.length > skipped ? pace.slice(skipped) : pace) : before?.stepSeconds;
    if (!record || stepSeconds === undefined) return;
    const held = seconds();
    const came = {
      steps: step,
      tokens,
      seconds: held,
      stepSeconds,
      memory: peak,
      energy: energy(),
      power: power?.source() ?? null,
      money: money(held),
      time: new Date().toISOString(),
      ...(before?.unlike || !isAsTold(record, device, s) ? { unlike: true } : {}),
    };
    await writeJson(file, { ...record, came });
  };

  return {
    async take(event) {
      if (event.at === 'started') {
        began = now();
        ({ device } = event);
        power = await watchPower(
          event.device,
          record?.kind === event.device ? record.told?.watts : undefined,
        );
        const have = amounts();
        grants = {
          money: allowance(s.budgetMoney, have.money),
          hours: allowance(s.budgetHours, have.hours),
          tokens: allowance(s.budgetTokens, have.tokens),
        };
      }
      if (event.at === 'rescheduled') ({ steps } = event);
      if (event.at === 'saved') await keep(event.step);
      if (event.at === 'stopped') {
        const end = power ? [await reading(event.step)] : [];
        await keep(event.step);
        return [...end, event];
      }
      if (event.at !== 'step' || !grants) return [event];
      pace.push(event.seconds);
      ({ tokens } = event);
      const due = now() - last >= every || pace.length === 1;
      return [
        event,
        ...(due ? [await reading(event.step)] : []),
        ...(!told && pace.length === settled ? [measured(event.step)] : []),
        ...overspent(event.step),
      ];
    },
    reached: () => spent,
    joules: () => (energy() === null ? null : (energy()! * 3.6e6) / pue),
    close() {
      power?.close();
    },
  };
}
