/**
 * @file What an estimate stands on, gathered: the book of devices, this computer's, what was measured, what
 * earlier runs took, the person's own prices; and the record that each run keeps.
 */
import { join } from 'node:path';
import { appError } from '../base/errors.ts';
import type { DeviceChoice, DeviceKind } from '../base/device.ts';
import {
  costHomeIn,
  deviceBook,
  withDefaults,
  type CostFacts,
  type CostHome,
  type EstimateAsked,
  type MeasuredDevice,
} from '../contract/cost.ts';
import type { Device, TrainingRequest } from '../contract/schema.ts';
import type { Assumptions } from '../cost/assumptions.ts';
import { factsOf, type DeviceBook } from '../cost/book.ts';
import { alike, correctionOf, type Ratio } from '../cost/calibration.ts';
import { estimate, type Estimate } from '../cost/estimate.ts';
import { costFile, ratioOf, recordFor, recordIn, type CostRecord } from '../cost/record.ts';
import { subjectOf } from '../cost/programs.ts';
import { chosenFirst, type Target } from '../cost/speed.ts';
import { grownSource } from '../growth/plan/chain.ts';
import { planGrowth } from '../growth/plan/plan.ts';
import { sourceIn, stagesOf } from '../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { physicalCores } from '../store/fs/cores.ts';
import { readIfSound, readJson, writeJson } from '../store/fs/files.ts';
import { freeBytes, standing } from '../store/fs/folder.ts';
import { withEngine } from './engines.ts';
import { absolute, type Place } from './dependencies.ts';
import { runFolder } from './runs.ts';

export interface Costs {
  facts(dir?: string): Promise<CostFacts>;
  estimate(asked: EstimateAsked): Promise<Estimate>;
  assume(change: Partial<Assumptions>): Promise<Assumptions>;
  measure(device: DeviceChoice): Promise<MeasuredDevice>;
  /** The record of a run, or null where it keeps none. */
  ofRun(id: string): Promise<CostRecord | null>;
  /** Writes the record that a run begins with. A cost that cannot be told keeps no run from starting. */
  begin(dir: string, request: TrainingRequest): Promise<void>;
}

/** Runs that are looked at for what they took. */
const lookedAt = 60;
const homeFile = 'costs.json';
const order: readonly DeviceKind[] = ['cuda', 'webgpu', 'cpu'];

/** The name under which a device's speed and runs are remembered. */
const idOf = ({ id, name }: Device, cores: number): string =>
  id === 'cpu' ? `cpu: ${name} × ${cores}` : `${id}: ${name}`;

export function createCosts(place: Place, devices: () => Promise<readonly Device[]>): Costs {
  let book: Promise<DeviceBook> | undefined;
  const bookOf = (): Promise<DeviceBook> =>
    (book ??= readBook(join(place.surroundings.resources, 'devices.json')).catch((error: unknown) => {
      book = undefined;
      throw error;
    }));
  const home = async (): Promise<CostHome> => costHomeIn(await place.home.read(homeFile));
  const past = async (): Promise<readonly { readonly device: string; readonly ratio: Ratio }[]> => {
    const runs = (await place.home.runs()).slice(0, lookedAt);
    const records = await Promise.all(runs.map((dir) => readRecord(dir)));
    return records
      .flatMap((record, i) => {
        const ratio = record && ratioOf(runs[i]!, record);
        return ratio ? [{ device: record.device, ratio }] : [];
      })
      .sort((a, b) => (a.ratio.at < b.ratio.at ? 1 : -1));
  };
  const targets = async (): Promise<readonly Target[]> => {
    const [known, { measured }, all, ratios] = await Promise.all([bookOf(), home(), devices(), past()]);
    const usable = all.filter((d) => d.available);
    return usable
      .sort((a, b) => rankOf(a) - rankOf(b))
      .map((device): Target => {
        const cores = device.id === 'cpu' ? physicalCores() : 1;
        const id = idOf(device, cores);
        const facts = device.software
          ? undefined
          : factsOf(known, device.name, device.id === 'cpu' ? 'cpu' : 'gpu');
        const rates = measured[id];
        return {
          id,
          name: device.id === 'cpu' ? `${device.name}, ${cores} cores` : device.name,
          kind: device.id,
          here: true,
          cores,
          memory: device.memory,
          ...(facts ? { facts } : {}),
          ...(rates ? { measured: rates } : {}),
          past: ratios.flatMap((p) => (p.device === id ? [p.ratio] : [])),
        };
      });
  };
  const facts = async (dir?: string): Promise<CostFacts> => {
    const [known, here, { assumptions }, free, checkpoint] = await Promise.all([
      bookOf(),
      targets(),
      home(),
      standing(place.home.dir)
        .then(freeBytes)
        .catch(() => 0),
      dir === undefined ? undefined : openCheckpoint(absolute(dir)),
    ]);
    const from = checkpoint && parametersBefore(checkpoint);
    const source = checkpoint && sourceIn(checkpoint.growth);
    return {
      book: known,
      targets: here,
      assumptions: withDefaults(assumptions),
      free,
      ...(from === undefined ? {} : { sourceParameters: from }),
      ...(source ? { source } : {}),
    };
  };
  const change = async (make: (before: CostHome) => CostHome): Promise<CostHome> => {
    await place.home.change(homeFile, (before) => make(costHomeIn(before)));
    return home();
  };

  return {
    facts,
    async estimate({ dir, training, grow, assumptions = {} }) {
      const known = await facts(dir);
      const checkpoint = await openCheckpoint(absolute(dir));
      const { card } = checkpoint;
      const plan = grow && planGrowth(card, grow);
      const from = plan?.parameters.before ?? known.sourceParameters;
      return estimate({
        subject: plan ? { ...grownSource(plan), source: card } : subjectOf(checkpoint),
        training,
        ...known,
        targets: chosenFirst(known.targets, training.device),
        assumptions: { ...known.assumptions, ...assumptions },
        ...(from === undefined ? {} : { sourceParameters: from }),
      });
    },
    assume: async (some) =>
      withDefaults(
        (await change((before) => ({ ...before, assumptions: { ...before.assumptions, ...some } })))
          .assumptions,
      ),
    async measure(choice) {
      const found = await withEngine(place.processes, {}, (engine) => engine.measure({ device: choice }));
      const card = (await devices()).find((d) => d.id === found.device);
      const id = idOf(
        card ?? { id: found.device, name: found.name, available: true, memory: null, free: null },
        physicalCores(),
      );
      await change((before) => ({ ...before, measured: { ...before.measured, [id]: found.measured } }));
      return { device: id, measured: found.measured };
    },
    ofRun: async (id) => readRecord(await runFolder(place, id)),
    async begin(dir, { checkpoint, settings }) {
      const known = await facts(absolute(checkpoint));
      const here = chosenFirst(known.targets, settings.device);
      const subject = subjectOf(await openCheckpoint(absolute(checkpoint)));
      const told = estimate({
        subject,
        training: settings,
        ...known,
        targets: here.slice(0, 1),
        book: { devices: [], prices: [] },
        plain: true,
      });
      const memory = correctionOf(
        alike(here[0]?.past ?? [], settings.precision).flatMap((p) => (p.memory === null ? [] : [p.memory])),
      ).factor;
      const record = recordFor(
        told,
        known.assumptions,
        { memory, training: settings },
        new Date().toISOString(),
      );
      if (record) await writeJson(join(dir, costFile), record);
    },
  };
}

/** `auto` takes what is fastest, never a GPU that the processor plays. */
const rankOf = ({ id, software }: Device): number =>
  order.indexOf(id) + (software === true ? order.length : 0);

async function readBook(file: string): Promise<DeviceBook> {
  const read = deviceBook.safeParse(await readJson(file));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw appError('file/bad-json', { path: file, why: `${issue!.path.join('.')}: ${issue!.message}` });
}

const readRecord = async (dir: string): Promise<CostRecord | null> =>
  recordIn(await readIfSound(join(dir, costFile)));

/** Parameters of what a grown checkpoint came from. */
const parametersBefore = (checkpoint: Checkpoint): number | undefined =>
  stagesOf(checkpoint.growth)[0]?.parameters.before;
