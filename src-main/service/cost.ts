/**
 * @file Cost estimates of the service: combines the device book, the devices of this computer with their
 * measured rates, earlier runs and the person's assumptions; writes the cost record of each run.
 */
import { join } from 'node:path';
import { createError } from '../base/errors.ts';
import type { DeviceChoice, DeviceKind } from '../base/device.ts';
import {
  parseStoredCosts,
  deviceBook,
  completeAssumptions,
  type CostFacts,
  type StoredCosts,
  type EstimateRequest,
  type MeasuredDevice,
} from '../contract/cost.ts';
import type { Device, TrainingRequest } from '../contract/schema.ts';
import { estimatedStage, planRunStages } from '../contract/stages.ts';
import type { Assumptions } from '../cost/assumptions.ts';
import { findPassedKernels } from '../cost/device-estimate.ts';
import { factsOf, type DeviceBook } from '../cost/book.ts';
import { withPrecision, correctionOf, type Ratio } from '../cost/calibration.ts';
import { estimate, type Estimate, type EstimateRequest as CostEstimateRequest } from '../cost/estimate.ts';
import { estimateStages } from '../cost/stages.ts';
import { costFile, ratioOf, createRecord, parseRecord, type CostRecord } from '../cost/record.ts';
import { subjectOf } from '../cost/programs.ts';
import { sortByChoice, type Measured, type Target } from '../cost/speed.ts';
import { combinePromises, sourceFromPlan } from '../growth/plan/stages.ts';
import { planGrowth } from '../growth/plan/plan.ts';
import type { GrowthSource } from '../growth/recipe.ts';
import type { RunStage } from '../train/stages.ts';
import { sourceFromRecord, stagesFromRecord } from '../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { countPhysicalCores } from '../store/fs/cores.ts';
import { readJsonIfValid, readJson, writeJson } from '../store/fs/files.ts';
import { getFreeBytes, findExistingAncestor } from '../store/fs/folder.ts';
import { readSelfTests, type SelfTest } from '../store/gpu/kernel-cache.ts';
import type { Home } from '../store/home/home.ts';
import type { Precision } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { withEngine } from './engines.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { findRunFolder } from './runs.ts';

export interface Costs {
  /** What an estimate of the checkpoint in `dir` needs; without `dir`, what every estimate needs. */
  facts(dir?: string): Promise<CostFacts>;
  estimate(request: EstimateRequest): Promise<Estimate>;
  /** Stores the assumptions that change; returns all of them. */
  setAssumptions(change: Partial<Assumptions>): Promise<Assumptions>;
  /** Runs the speed test of an engine and stores the rates. */
  measure(device: DeviceChoice): Promise<MeasuredDevice>;
  /** The estimate of a run on the device that it would use; undefined if nothing is known about one. */
  estimateRun(dir: string, settings: TrainingSettings): Promise<Estimate | undefined>;
  /** The cost record of a run, or null if it has none. */
  runCost(id: string): Promise<CostRecord | null>;
  /** Writes the cost record of a new run, unless there is no estimate for this computer. */
  recordEstimate(dir: string, request: TrainingRequest): Promise<void>;
}

/** Newest runs whose records are read. */
const recentRuns = 60;
/** A file of the home folder. */
const storedFile = 'costs.json';
/** `auto` prefers devices in this order. */
const deviceOrder: readonly DeviceKind[] = ['cuda', 'webgpu', 'cpu'];

export function createCosts(
  { home, processes, environment }: Dependencies,
  listDevices: () => Promise<readonly Device[]>,
): Costs {
  let book: Promise<DeviceBook> | undefined;
  const loadBook = (): Promise<DeviceBook> => {
    book ??= readBook(join(environment.resources, 'devices.json')).catch((error: unknown) => {
      book = undefined;
      throw error;
    });
    return book;
  };
  const readStored = async (): Promise<StoredCosts> => parseStoredCosts(await home.readFile(storedFile));
  const updateStored = async (update: (before: StoredCosts) => StoredCosts): Promise<StoredCosts> => {
    await home.updateFile(storedFile, (before) => update(parseStoredCosts(before)));
    return readStored();
  };

  const listTargets = async (): Promise<readonly Target[]> => {
    const [devices, loaded, { measured }, past, tests] = await Promise.all([
      listDevices(),
      loadBook(),
      readStored(),
      readRatios(home),
      readSelfTests(home.dir),
    ]);
    return devices
      .filter((device) => device.available)
      .sort((a, b) => rankOf(a) - rankOf(b))
      .map((device) => createTarget(device, loaded, measured, past, tests));
  };

  const facts = async (dir?: string): Promise<CostFacts> => {
    const [loaded, targets, { assumptions }, free, checkpoint] = await Promise.all([
      loadBook(),
      listTargets(),
      readStored(),
      findExistingAncestor(home.dir)
        .then(getFreeBytes)
        .catch(() => 0),
      dir === undefined ? undefined : openCheckpoint(toAbsolutePath(dir)),
    ]);
    const growth = checkpoint && describeGrowth(checkpoint);
    const source = checkpoint && sourceFromRecord(checkpoint.growth);
    return {
      book: loaded,
      targets,
      assumptions: completeAssumptions(assumptions),
      free,
      ...growth,
      ...(source ? { source } : {}),
    };
  };

  return {
    facts,
    async estimate({ dir, training, grow, stages, sourceTokens, assumptions = {} }) {
      const known = await facts(dir);
      const checkpoint = await openCheckpoint(toAbsolutePath(dir));
      const { summary } = checkpoint;
      const plan = grow && planGrowth(summary, grow);
      const request = {
        subject: plan ? { ...sourceFromPlan(plan), source: summary } : subjectOf(checkpoint),
        training,
        ...known,
        targets: sortByChoice(known.targets, training.device),
        assumptions: { ...known.assumptions, ...assumptions },
        ...(plan ? { sourceParameters: plan.parameters.before, growthPromise: plan.promise.kind } : {}),
        ...(sourceTokens === undefined ? {} : { sourceTokens }),
      };
      return stages
        ? estimateAllStages(request, plan ? sourceFromPlan(plan) : summary, stages)
        : estimate(request);
    },
    async setAssumptions(change) {
      const stored = await updateStored((before) => ({
        ...before,
        assumptions: { ...before.assumptions, ...change },
      }));
      return completeAssumptions(stored.assumptions);
    },
    async measure(choice) {
      const speed = await withEngine(processes, {}, (engine) => engine.measure({ device: choice }));
      const { name, measured } = speed;
      const device = (await listDevices()).find((d) => d.id === speed.device) ?? { id: speed.device, name };
      const id = targetId(device, countPhysicalCores());
      await updateStored((before) => ({ ...before, measured: { ...before.measured, [id]: measured } }));
      return { device: id, measured };
    },
    async estimateRun(dir, settings) {
      const known = await facts(dir).catch(() => undefined);
      const [target] = known ? sortByChoice(known.targets, settings.device) : [];
      if (!known || !target) return undefined;
      return estimate({
        subject: subjectOf(await openCheckpoint(toAbsolutePath(dir))),
        training: settings,
        ...known,
        targets: [target],
        book: { devices: [], prices: [] },
      });
    },
    runCost: async (id) => readRecord(await findRunFolder(home, id)),
    async recordEstimate(dir, { checkpoint, settings, stages }) {
      const path = toAbsolutePath(checkpoint);
      const known = await facts(path);
      const targets = sortByChoice(known.targets, settings.device);
      const opened = await openCheckpoint(path);
      const request = {
        subject: subjectOf(opened),
        training: settings,
        ...known,
        targets: targets.slice(0, 1),
        book: { devices: [], prices: [] },
        skipAlternatives: true,
      };
      const estimated = stages ? estimateAllStages(request, opened.summary, stages) : estimate(request);
      const record = createRecord(estimated, {
        assumptions: known.assumptions,
        memoryCorrection: memoryCorrectionOf(targets[0]?.past ?? [], settings.precision),
        settings,
        time: new Date().toISOString(),
      });
      if (record) await writeJson(join(dir, costFile), record);
    },
  };
}

/** The estimate of a run with stages. Throws `run/bad-stage`. */
const estimateAllStages = (
  request: CostEstimateRequest,
  source: GrowthSource,
  stages: readonly RunStage[],
): Estimate => {
  const planned = planRunStages(source, { settings: request.training, stages });
  return estimateStages(request, stages, planned.map(estimatedStage));
};

interface PastRun {
  readonly device: string;
  readonly ratio: Ratio;
}

/** Actual over estimated figures of recent runs, newest first. */
async function readRatios(home: Home): Promise<readonly PastRun[]> {
  const dirs = (await home.listRuns()).slice(0, recentRuns);
  const records = await Promise.all(dirs.map((dir) => readRecord(dir)));
  return records
    .flatMap((record, i) => {
      const ratio = record && ratioOf(dirs[i]!, record);
      return ratio ? [{ device: record.device, ratio }] : [];
    })
    .sort((a, b) => (a.ratio.at < b.ratio.at ? 1 : -1));
}

function createTarget(
  device: Device,
  book: DeviceBook,
  measured: Readonly<Record<string, Measured>>,
  past: readonly PastRun[],
  tests: readonly SelfTest[],
): Target {
  const isCpu = device.id === 'cpu';
  const cores = isCpu ? countPhysicalCores() : 1;
  const id = targetId(device, cores);
  const facts = device.software ? undefined : factsOf(book, device.name, isCpu ? 'cpu' : 'gpu');
  const rates = measured[id];
  return {
    id,
    name: isCpu ? `${device.name}, ${cores} cores` : device.name,
    kind: device.id,
    here: true,
    cores,
    memory: device.memory,
    ...(facts ? { facts } : {}),
    ...(rates ? { measured: rates } : {}),
    ...(device.id === 'cuda' ? { kernels: findPassedKernels(device.name, tests) } : {}),
    past: past.flatMap((run) => (run.device === id ? [run.ratio] : [])),
  };
}

/** The name under which the rates and the runs of a device are stored. */
const targetId = ({ id, name }: Pick<Device, 'id' | 'name'>, cores: number): string =>
  id === 'cpu' ? `cpu: ${name} × ${cores}` : `${id}: ${name}`;

/** Position in the choice of `auto`. GPUs that are emulated in software come last. */
const rankOf = ({ id, software }: Device): number =>
  deviceOrder.indexOf(id) + (software === true ? deviceOrder.length : 0);

function memoryCorrectionOf(past: readonly Ratio[], precision: Precision): number {
  const ratios = withPrecision(past, precision).flatMap(({ memory }) => (memory === null ? [] : [memory]));
  return correctionOf(ratios).factor;
}

async function readBook(file: string): Promise<DeviceBook> {
  const parsed = deviceBook.safeParse(await readJson(file));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw createError('file/bad-json', { path: file, why: `${issue!.path.join('.')}: ${issue!.message}` });
}

const readRecord = async (dir: string): Promise<CostRecord | null> =>
  parseRecord(await readJsonIfValid(join(dir, costFile)));

/** Parameters of the model that a checkpoint was grown from, and what the growth preserves. */
function describeGrowth({ growth }: Checkpoint): Pick<CostFacts, 'sourceParameters' | 'growthPromise'> {
  const stages = stagesFromRecord(growth);
  if (stages.length === 0) return {};
  return {
    sourceParameters: stages[0]!.parameters.before,
    growthPromise: combinePromises(stages).kind,
  };
}
