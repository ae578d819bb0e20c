/**
 * @file contract/service.ts, each procedure one line; and the service's own life: what is under way, and how
 * it ends.
 */
import type { Service } from '../contract/service.ts';
import { browse } from '../store/fs/browse.ts';
import { historyOf } from '../store/run/history.ts';
import { createActivity } from './activity.ts';
import { createCosts } from './cost.ts';
import { deviceList } from './devices.ts';
import { diagnosticsText } from './diagnostics.ts';
import { examine } from './doctor.ts';
import { createGpu } from './gpu.ts';
import { engineStream, withEngine } from './engines.ts';
import { checkPlan, openRun, planFor, startExport, startGrowth } from './growth.ts';
import { createHubDesk } from './hub.ts';
import { createJobs } from './jobs.ts';
import { knownCheckpoints, openAndRemember } from './library.ts';
import { lineageOf } from './lineage.ts';
import { locate } from './locate.ts';
import { absolute, builtIn, type Place } from './dependencies.ts';
import { createPlaces } from './remote-hosts.ts';
import { annotateRun, restoreRun, trashRun } from './run-metadata.ts';
import { createRuns, followRun, modelFolder, runFolder, type RunsOptions } from './runs.ts';

export interface RunningService {
  readonly api: Service;
  /** Runs and jobs under way in this process. */
  busy(): number;
  /** Cancels jobs, asks runs to stop and save, and waits for both. */
  close(): Promise<void>;
}

export function createService(place: Place, options: RunsOptions = {}): RunningService {
  const { home, processes, surroundings } = place;
  const jobs = createJobs();
  const { list: devices, forget } = deviceList(processes);
  const gpu = createGpu(place, forget);
  const costs = createCosts(place, devices);
  const runs = createRuns(place, { ...options, begun: costs.begin });
  const activity = createActivity({
    jobs: jobs.list,
    runs: runs.list,
    run: runs.card,
    checkpoints: () => knownCheckpoints(place),
  });
  const hub = createHubDesk(place, jobs);
  const places = createPlaces(home.dir, place.tunnel);
  const api: Service = {
    about: () =>
      Promise.resolve({
        version: surroundings.version,
        home: home.dir,
        demo: builtIn(place),
        platform: `${process.platform}-${process.arch}`,
        node: process.versions.node,
        desktop: surroundings.desktop,
      }),
    devices,
    doctor: () => examine(place, devices, gpu.status),
    gpu: gpu.status,
    installGpu: gpu.install,
    removeGpu: gpu.remove,
    diagnostics: async ({ run }) => {
      const [found, checks, card] = await Promise.all([
        devices(),
        examine(place, devices, gpu.status),
        run === undefined ? undefined : runs.card(run),
      ]);
      return { text: await diagnosticsText({ place, devices: found, checks, jobs: jobs.list(), run: card }) };
    },
    activity: (_, signal) => activity(signal),

    checkpoints: () => knownCheckpoints(place),
    openCheckpoint: ({ dir }) => openAndRemember(place, dir),
    forget: async ({ dir }) => {
      await home.forgetCheckpoint(absolute(dir));
      return {};
    },
    browse: ({ dir }) => browse(dir === undefined ? undefined : absolute(dir)),
    locate: async (dropped) => ({ dirs: await locate(place, dropped) }),

    planGrowth: ({ dir, request }) => planFor(dir, request),
    checkPlan: async ({ dir, plan }) => {
      await checkPlan(dir, plan);
      return {};
    },
    startGrowth: (job) => startGrowth(place, jobs, job),
    followGrowth: ({ id }, signal) => jobs.follow(id, signal),
    certify: (request, signal) =>
      withEngine(processes, {}, (e) =>
        e.certify(
          {
            ...request,
            source: absolute(request.source),
            grown: absolute(request.grown),
            ...(request.text === undefined ? {} : { text: absolute(request.text) }),
          },
          signal,
        ),
      ),
    startExport: (request) => startExport(place, jobs, request),
    followExport: ({ id }, signal) => jobs.follow(id, signal),
    jobs: () => Promise.resolve(jobs.list()),
    cancelJob: async ({ id }) => {
      await jobs.cancel(id);
      return {};
    },

    startRun: runs.start,
    runs: runs.list,
    run: ({ id }) => runs.card(id),
    openRun: ({ id }) => openRun(place, id),
    runHistory: async ({ id, ...range }) =>
      historyOf(
        await runFolder(place, id),
        range.from === undefined || range.to === undefined ? undefined : { from: range.from, to: range.to },
      ),
    followRun: (ask, signal) => followRun(place, ask, signal),
    stopRun: ({ id }) => runs.stop(id),
    annotateRun: (said) => annotateRun(place, said),
    trashRun: async ({ id }) => ({ trashed: await trashRun(place, id) }),
    restoreRun: ({ trashed }) => restoreRun(place, trashed),
    lineage: async () => lineageOf(place, await runs.list()),
    resumeRun: runs.resume,
    decayRun: runs.decay,

    sample: (request, signal) =>
      engineStream(
        processes,
        async function* (e, s) {
          yield* e.sample({ ...request, from: await modelFolder(place, request.from) }, s);
        },
        signal,
      ),
    choices: (request, signal) =>
      engineStream(
        processes,
        async function* (e, s) {
          yield* e.choices(
            {
              ...request,
              checkpoint: await modelFolder(place, request.checkpoint),
              questions: absolute(request.questions),
            },
            s,
          );
        },
        signal,
      ),
    evaluate: (request, signal) =>
      engineStream(
        processes,
        async function* (e, s) {
          yield* e.evaluate(
            {
              ...request,
              checkpoint: await modelFolder(place, request.checkpoint),
              data: request.data.map(absolute),
            },
            s,
          );
        },
        signal,
      ),

    costs: ({ dir }) => costs.facts(dir),
    estimate: costs.estimate,
    assume: costs.assume,
    measureDevice: ({ device }) => costs.measure(device),
    runCost: ({ id }) => costs.ofRun(id),

    hubSearch: (search, signal) => hub.search(search, signal),
    hubModel: ({ repo, revision }, signal) => hub.model(repo, revision, signal),
    hubCached: hub.cached,
    hubDownloads: hub.downloads,
    startDownload: hub.download,
    followDownload: ({ id }, signal) => jobs.follow(id, signal),
    pauseDownload: async ({ id }) => {
      await hub.pause(id);
      return {};
    },
    dropDownload: async ({ repo, commit }) => {
      await hub.drop(repo, commit);
      return {};
    },
    hubAccount: hub.account,
    setHubToken: ({ token }) => hub.setToken(token),
    planPush: ({ dir, repo }) => hub.planPush(dir, repo),
    startPush: (request) => hub.push(request.dir, request.repo, request.private),
    followPush: ({ id }, signal) => jobs.follow(id, signal),

    places: places.list,
    addPlace: places.add,
    removePlace: ({ name }) => places.remove(name),
    openPlace: ({ name }, signal) => places.open(name, signal),
    toPlace: ({ session, message }) => {
      places.send(session, message);
      return Promise.resolve({});
    },
  };
  return {
    api,
    busy: () => jobs.running() + runs.running(),
    async close() {
      await hub.pauseAll();
      await Promise.all([jobs.cancelAll(), runs.stopAll()]);
    },
  };
}
