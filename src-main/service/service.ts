/** @file Implements the procedures of contract/service.ts, and ends the work of this process. */
import type { Service } from '../contract/service.ts';
import { listFolder } from '../store/fs/browse.ts';
import { deleteCheckpoint, listCheckpoints as listCheckpointsOfRun } from '../store/run/checkpoints.ts';
import { historyOf } from '../store/run/history.ts';
import { createActivityFeed } from './activity.ts';
import { changeAppSettings, readAppSettings } from './app-settings.ts';
import { bakeoffApi } from './bakeoff/bakeoff-api.ts';
import { createBakeoffs, type Bakeoffs } from './bakeoff/bakeoffs.ts';
import { writeExampleText } from './example-text.ts';
import { checkReading, writeLogits } from './readings.ts';
import { compareRunSlopes } from './compared-slopes.ts';
import { createCosts, type Costs } from './cost.ts';
import { createDeviceList, type DeviceList } from './devices.ts';
import { formatDiagnostics } from './diagnostics.ts';
import { checkComputer } from './doctor.ts';
import { createGpu, type Gpu } from './gpu.ts';
import { engineStream } from './engines.ts';
import { certify, createCertificateReport } from './certificates.ts';
import { checkPlan, createPlan, openRun, startExport, startGrowth } from './growth.ts';
import { createHubService, type HubService } from './hub.ts';
import { createJobs, type Jobs } from './jobs.ts';
import { listCheckpoints, openAndRemember } from './library.ts';
import { buildLineage } from './lineage.ts';
import { locateCheckpoint } from './locate.ts';
import { builtInCheckpoint, toAbsolutePath, type Dependencies } from './dependencies.ts';
import { createRemoteHosts } from './remote-hosts.ts';
import { annotateRun, emptyTrash, listTrashedRuns, restoreRun, trashRun } from './run-metadata.ts';
import { createRunCheck } from './run-checks.ts';
import { createDeviceTurns } from './device-turns.ts';
import { createRunQueue, type RunQueue } from './run-queue.ts';
import {
  createRuns,
  findModelFolder,
  findRunFolder,
  followRun,
  type Runs,
  type RunsOptions,
} from './runs.ts';
import { textApi } from './text.ts';
import { createTunings, type Tunings } from './tuning.ts';
import { installTorchWithProgress, removeTorchFolder, torchStatus } from './torch.ts';

export interface RunningService {
  readonly api: Service;
  /** Starts waiting runs from now on. */
  startQueue(): void;
  /** The number of runs and jobs of this process that have not ended. */
  activeCount(): number;
  /** Pauses downloads, cancels the other jobs, stops and saves the runs, and waits for them. */
  close(): Promise<void>;
}

/** The parts of the service that keep state. */
interface Parts {
  readonly jobs: Jobs;
  readonly devices: DeviceList;
  readonly gpu: Gpu;
  readonly costs: Costs;
  readonly runs: Runs;
  readonly queue: RunQueue;
  readonly hub: HubService;
  readonly tunings: Tunings;
  readonly bakeoffs: Bakeoffs;
}

export function createService(dependencies: Dependencies, options: RunsOptions = {}): RunningService {
  const jobs = createJobs();
  const devices = createDeviceList(dependencies.processes);
  const gpu = createGpu(dependencies, devices.invalidate);
  const costs = createCosts(dependencies, devices.list);
  const check = createRunCheck(dependencies, { listDevices: devices.list, estimateRun: costs.estimateRun });
  const queue = createRunQueue(dependencies.home, devices.list, async () =>
    (await Promise.all([tunings.listActive(), bakeoffs.listActive()])).flat(),
  );
  const turns = createDeviceTurns(queue);
  const tunings = createTunings(dependencies, jobs, turns, costs);
  const bakeoffs = createBakeoffs(dependencies, jobs, costs, turns);
  const hub = createHubService(dependencies, jobs);
  const { checkDataset, storedToken: findHubToken } = hub;
  const onCreated = costs.recordEstimate;
  const runs = createRuns(dependencies, queue, {
    ...options,
    check,
    onCreated,
    checkDataset,
    findHubToken,
    startOther: ({ kind, dir }) => (kind === 'bakeoff' ? bakeoffs.resume(dir) : tunings.resume(dir)),
  });
  const parts: Parts = { jobs, devices, gpu, costs, runs, queue, hub, tunings, bakeoffs };
  return {
    api: {
      ...computerApi(dependencies, parts),
      ...checkpointApi(dependencies),
      ...growthApi(dependencies, parts),
      ...bakeoffApi(bakeoffs, jobs),
      ...runApi(dependencies, parts),
      ...tuningApi(parts),
      ...inferenceApi(dependencies),
      ...textApi(dependencies, hub.storedToken),
      ...costApi(parts),
      ...hubApi(parts),
      ...remoteApi(dependencies),
    },
    startQueue: runs.startQueue,
    activeCount: () => jobs.countRunning() + runs.countRunning(),
    async close() {
      turns.keepEntries();
      await hub.pauseAll();
      await Promise.all([jobs.cancelAll(), runs.stopAll()]);
    },
  };
}

function computerApi(dependencies: Dependencies, { jobs, devices, gpu, runs, queue }: Parts) {
  const { home, environment } = dependencies;
  const runDoctor = (): ReturnType<typeof checkComputer> =>
    checkComputer(dependencies, {
      listDevices: devices.list,
      getGpuStatus: gpu.status,
      getTorchStatus: torchStatus,
    });
  const subscribe = createActivityFeed({
    jobs: jobs.list,
    runs: runs.list,
    run: runs.summarize,
    checkpoints: () => listCheckpoints(dependencies),
    queue: queue.list,
  });
  return {
    about: () =>
      Promise.resolve({
        version: environment.version,
        home: home.dir,
        demo: builtInCheckpoint(dependencies),
        platform: `${process.platform}-${process.arch}`,
        node: process.versions.node,
        desktop: environment.desktop,
      }),
    appSettings: () => readAppSettings(home),
    changeAppSettings: (change) => changeAppSettings(home, change),
    devices: devices.list,
    doctor: runDoctor,
    gpuStatus: gpu.status,
    installGpu: gpu.install,
    removeGpu: gpu.remove,
    torchStatus: () => torchStatus(),
    installTorch: (_, signal) => installTorchWithProgress(signal),
    removeTorch: () => removeTorchFolder(),
    async diagnostics({ run: id }) {
      const [found, checks, run] = await Promise.all([
        devices.list(),
        runDoctor(),
        id === undefined ? undefined : runs.summarize(id),
      ]);
      const text = await formatDiagnostics({ environment, devices: found, checks, jobs: jobs.list(), run });
      return { text };
    },
    activity: (_, signal) => subscribe(signal),
    exampleText: async () => ({ path: await writeExampleText(home) }),
    listFolder: ({ dir }) =>
      listFolder(dir === undefined ? undefined : toAbsolutePath(dir), { hidden: true }),
  } satisfies Partial<Service>;
}

const checkpointApi = (dependencies: Dependencies) =>
  ({
    checkpoints: () => listCheckpoints(dependencies),
    openCheckpoint: ({ dir }) => openAndRemember(dependencies, dir),
    async forgetCheckpoint({ dir }) {
      await dependencies.home.forgetCheckpoint(toAbsolutePath(dir));
      return {};
    },
    checkCheckpoint: (request, signal) => checkReading(dependencies.processes, request, signal),
    writeLogits: (request, signal) => writeLogits(dependencies.processes, request, signal),
    locateCheckpoint: async (dropped) => ({ dirs: await locateCheckpoint(dependencies.home, dropped) }),
  }) satisfies Partial<Service>;

const growthApi = (dependencies: Dependencies, { jobs }: Parts) =>
  ({
    planGrowth: ({ dir, request }) => createPlan(dir, request),
    async checkPlan({ dir, plan }) {
      await checkPlan(dir, plan);
      return {};
    },
    startGrowth: (job) => startGrowth(dependencies, jobs, job),
    followGrowth: ({ id }, signal) => jobs.follow(id, signal),
    certify: (request, signal) => certify(dependencies.processes, request, signal),
    certificateReport: createCertificateReport,
    startExport: (request) => startExport(dependencies, jobs, request),
    followExport: ({ id }, signal) => jobs.follow(id, signal),
    jobs: () => Promise.resolve(jobs.list()),
    async cancelJob({ id }) {
      await jobs.cancel(id);
      return {};
    },
  }) satisfies Partial<Service>;

function runApi(dependencies: Dependencies, { runs, queue }: Parts) {
  const { home } = dependencies;
  return {
    startRun: runs.start,
    runs: runs.list,
    run: ({ id }) => runs.summarize(id),
    openRun: ({ id }) => openRun(home, id),
    async runHistory({ id, from, to }) {
      const range = from === undefined || to === undefined ? undefined : { from, to };
      return historyOf(await findRunFolder(home, id), range);
    },
    async compareSlopes({ id, other }) {
      const [dir, otherDir] = await Promise.all([findRunFolder(home, id), findRunFolder(home, other)]);
      return compareRunSlopes(dir, otherDir);
    },
    runCheckpoints: async ({ id }) => listCheckpointsOfRun(await findRunFolder(home, id)),
    async deleteCheckpoint({ id, step }) {
      const dir = await findRunFolder(home, id);
      await deleteCheckpoint(dir, step);
      return listCheckpointsOfRun(dir);
    },
    followRun: (request, signal) => followRun(home, request, signal),
    stopRun: runs.stop,
    annotateRun: (annotation) => annotateRun(home, annotation),
    async trashRun({ id }) {
      const { trashDays } = await readAppSettings(home);
      if (trashDays > 0) await emptyTrash(home, trashDays);
      const dir = await findRunFolder(home, id);
      const trashed = await trashRun(home, dir);
      await queue.remove(dir);
      return { trashed };
    },
    trashedRuns: () => listTrashedRuns(home),
    emptyTrash: async ({ days }) => ({ deleted: await emptyTrash(home, days) }),
    restoreRun: ({ trashed }) => restoreRun(home, trashed),
    lineage: async () => buildLineage(dependencies, await runs.list()),
    resumeRun: runs.resume,
    decayRun: runs.decay,
    growRun: ({ id }) => runs.grow(id),
    queue: queue.list,
    async moveInQueue({ id, to }) {
      await queue.move(id, to);
      return queue.list();
    },
    async removeFromQueue({ id }) {
      await queue.remove((await queue.find(id)).dir);
      return queue.list();
    },
    async holdQueue({ device, held }) {
      await queue.hold(device, held);
      return queue.list();
    },
  } satisfies Partial<Service>;
}

const tuningApi = ({ jobs, tunings }: Parts) =>
  ({
    startTuning: tunings.start,
    estimateTuning: tunings.estimate,
    resumeTuning: ({ dir, queue }) => tunings.resume(dir, queue),
    followTuning: ({ id }, signal) => jobs.follow(id, signal),
    tunings: ({ checkpoint }) => tunings.list(checkpoint),
    tuning: ({ dir }) => tunings.read(dir),
    tuningReport: ({ dir, format }) => tunings.report(dir, format),
  }) satisfies Partial<Service>;

function inferenceApi({ home, processes }: Dependencies) {
  const findModel = (id: string): Promise<string> => findModelFolder(home, id);
  return {
    sample: (request, signal) =>
      engineStream(
        processes,
        async function* (engine, engineSignal) {
          const from = await findModel(request.from);
          yield* engine.sample({ ...request, from }, engineSignal);
        },
        signal,
      ),
    evaluateChoices: (request, signal) =>
      engineStream(
        processes,
        async function* (engine, engineSignal) {
          const checkpoint = await findModel(request.checkpoint);
          const questions = toAbsolutePath(request.questions);
          yield* engine.evaluateChoices({ ...request, checkpoint, questions }, engineSignal);
        },
        signal,
      ),
    evaluate: (request, signal) =>
      engineStream(
        processes,
        async function* (engine, engineSignal) {
          const checkpoint = await findModel(request.checkpoint);
          const data = request.data.map(toAbsolutePath);
          yield* engine.evaluate({ ...request, checkpoint, data }, engineSignal);
        },
        signal,
      ),
  } satisfies Partial<Service>;
}

const costApi = ({ costs }: Parts) =>
  ({
    costs: ({ dir }) => costs.facts(dir),
    estimate: costs.estimate,
    setAssumptions: costs.setAssumptions,
    measureDevice: ({ device }) => costs.measure(device),
    runCost: ({ id }) => costs.runCost(id),
  }) satisfies Partial<Service>;

const hubApi = ({ hub, jobs }: Parts) =>
  ({
    hubSearch: (search, signal) => hub.search(search, signal),
    searchDatasets: ({ query }, signal) => hub.searchDatasets(query, signal),
    hubDataset: ({ name, rows }, signal) => hub.dataset(name, rows, signal),
    hubModel: ({ repo, revision }, signal) => hub.model(repo, revision, signal),
    hubCached: hub.cached,
    hubDownloads: hub.downloads,
    startDownload: hub.download,
    followDownload: ({ id }, signal) => jobs.follow(id, signal),
    async pauseDownload({ id }) {
      await hub.pause(id);
      return {};
    },
    async dropDownload({ repo, commit }) {
      await hub.discard(repo, commit);
      return {};
    },
    hubAccount: hub.account,
    setHubToken: ({ token }) => hub.setToken(token),
    planPush: ({ dir, repo }) => hub.planPush(dir, repo),
    startPush: (request) => hub.push(request.dir, request.repo, request.private),
    followPush: ({ id }, signal) => jobs.follow(id, signal),
  }) satisfies Partial<Service>;

function remoteApi({ home, tunnel }: Dependencies) {
  const hosts = createRemoteHosts(home.dir, tunnel);
  return {
    remoteHosts: hosts.list,
    addRemoteHost: hosts.add,
    removeRemoteHost: ({ name }) => hosts.remove(name),
    openRemote: ({ name }, signal) => hosts.open(name, signal),
    sendToRemote({ session, message }) {
      hosts.send(session, message);
      return Promise.resolve({});
    },
  } satisfies Partial<Service>;
}
