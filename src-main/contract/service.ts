/** @file The app's whole API, in one file: what the window, the command line and a remote browser can ask. */
import { z } from 'zod';
import type { RunHistory } from '../train/run.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import type { Assumptions } from '../cost/assumptions.ts';
import type { Activity, Known } from './activity.ts';
import type { Lineage } from './lineage.ts';
import {
  assumptionChange,
  costRequest,
  estimateRequest,
  measureRequest,
  type CostFacts,
  type CostRecord,
  type Estimate,
  type MeasuredDevice,
} from './cost.ts';
import {
  downloadRequest,
  hubName,
  hubSearch,
  hubToken,
  pushJob,
  pushRequest,
  type DownloadEvent,
  type HubAccount,
  type HubCached,
  type HubDownload,
  type HubModel,
  type HubPage,
  type PushEvent,
  type PushPlan,
} from './hub.ts';
import { placeName, placeRequest, placeSession, type PlaceCard, type PlaceEvent } from './remote-hosts.ts';
import { gpuInstall, type GpuEvent, type GpuStatus } from './gpu.ts';
import { call, stream, type Api } from './rpc.ts';
import {
  certifyRequest,
  choicesRequest,
  whole,
  decayRequest,
  evaluateRequest,
  exportRequest,
  growJob,
  growthRecipe,
  jobId,
  locateRequest,
  nothing,
  path,
  resumeRequest,
  runId,
  sampleRequest,
  trainingRequest,
  type About,
  type Certificate,
  type ChoicesEvent,
  type Check,
  type CheckpointCard,
  type Device,
  type EvaluateEvent,
  type ExportEvent,
  type Folder,
  type GrowEvent,
  type JobCard,
  type RunCard,
  type RunEvent,
  type SampleEvent,
} from './schema.ts';

export const service = {
  about: call(nothing)<About>(),
  devices: call(nothing)<readonly Device[]>(),
  doctor: call(nothing)<readonly Check[]>(),
  /** What to send along with a report of trouble, without secrets. */
  diagnostics: call(z.object({ run: runId.optional() }))<{ readonly text: string }>(),
  /** The CUDA provider: what is there, bringing it, taking it away. */
  gpu: call(nothing)<GpuStatus>(),
  installGpu: stream(gpuInstall)<GpuEvent>(),
  removeGpu: call(nothing)<{ readonly removed: boolean }>(),
  /** Jobs, runs and known checkpoints: everything, then what changes. */
  activity: stream(nothing)<Activity>(),

  /**
   * Checkpoints opened or made before, newest first; the built-in one is always among them. Folders that are
   * gone are left out.
   */
  checkpoints: call(nothing)<readonly Known[]>(),
  openCheckpoint: call(z.object({ dir: path }))<CheckpointCard>(),
  forget: call(z.object({ dir: path }))<Record<string, never>>(),
  browse: call(z.object({ dir: path.optional() }))<Folder>(),
  /**
   * Folders of this computer that hold a checkpoint with this name, this config.json and files of these
   * sizes: a browser tells no path of a dropped folder.
   */
  locate: call(locateRequest)<{ readonly dirs: readonly string[] }>(),

  /**
   * The plan of one growth or of several in sequence, for a checkpoint or the newest saved step of a run;
   * with a print of its weights, so that it can be kept as a file.
   */
  planGrowth: call(z.object({ dir: path, request: growthRecipe }))<SavedPlan>(),
  /** Refuses a plan that is not sound, or was made for another checkpoint, with what differs. */
  checkPlan: call(
    z.object({ dir: path, plan: z.custom<SavedPlan>((v) => typeof v === 'object' && v !== null) }),
  )<Record<string, never>>(),
  /** Growing, certifying and exporting are jobs: they go on when the window closes. */
  startGrowth: call(growJob)<JobCard>(),
  followGrowth: stream(z.object({ id: jobId }))<GrowEvent>(),
  certify: call(certifyRequest)<Certificate>(),
  startExport: call(exportRequest)<JobCard>(),
  followExport: stream(z.object({ id: jobId }))<ExportEvent>(),
  jobs: call(nothing)<readonly JobCard[]>(),
  cancelJob: call(z.object({ id: jobId }))<Record<string, never>>(),

  startRun: call(trainingRequest)<RunCard>(),
  runs: call(nothing)<readonly RunCard[]>(),
  run: call(z.object({ id: runId }))<RunCard>(),
  /** The newest saved step of a run, as a checkpoint that can be grown. */
  openRun: call(z.object({ id: runId }))<CheckpointCard>(),
  /**
   * A run's events so far, thinned for drawing; with both `from` and `to`, those of the steps between them.
   */
  runHistory: call(z.object({ id: runId, from: whole.optional(), to: whole.optional() }))<RunHistory>(),
  /** Every event from line `from` of the run's file on, then live, until the run stops. */
  followRun: stream(z.object({ id: runId, from: whole, offset: whole.optional() }))<RunEvent>(),
  stopRun: call(z.object({ id: runId }))<RunCard>(),
  /** Goes on from the newest checkpoint; with `tokens` to a larger total, which a finished run takes too. */
  /** What a person says of a run; what is absent stays. */
  annotateRun: call(
    z.object({
      id: runId,
      name: z.string().trim().min(1).max(200).optional(),
      tags: z.array(z.string().trim().min(1).max(60)).max(50).optional(),
      notes: z.string().max(100_000).optional(),
    }),
  )<RunCard>(),
  /** Puts a run that rests into the trash beside it; `restoreRun` takes that back. */
  trashRun: call(z.object({ id: runId }))<{ readonly trashed: string }>(),
  restoreRun: call(z.object({ trashed: path }))<RunCard>(),
  /** The family tree of all checkpoints and runs. */
  lineage: call(nothing)<Lineage>(),
  resumeRun: call(resumeRequest)<RunCard>(),
  /**
   * The learning rate falls from here to the floor, and there the run ends; a run that nobody is at goes on
   * with it.
   */
  decayRun: call(decayRequest)<RunCard>(),

  sample: stream(sampleRequest)<SampleEvent>(),
  evaluate: stream(evaluateRequest)<EvaluateEvent>(),
  choices: stream(choicesRequest)<ChoicesEvent>(),

  /** What an estimate stands on: devices, prices, measured speeds, earlier runs, the person's own prices. */
  costs: call(costRequest)<CostFacts>(),
  estimate: call(estimateRequest)<Estimate>(),
  /** Changes what is assumed, for good. */
  assume: call(assumptionChange)<Assumptions>(),
  /** Measures how fast a device is, and remembers it. */
  measureDevice: call(measureRequest)<MeasuredDevice>(),
  /** What a run was estimated to cost and what it did; null for a run without. */
  runCost: call(z.object({ id: runId }))<CostRecord | null>(),

  /**
   * The Hugging Face Hub: one page of a search, and one model judged from its headers against this computer.
   */
  hubSearch: call(hubSearch)<HubPage>(),
  hubModel: call(hubName)<HubModel>(),
  /** What lies in the Hugging Face cache, whoever put it there, and the downloads that are not whole. */
  hubCached: call(nothing)<readonly HubCached[]>(),
  hubDownloads: call(nothing)<readonly HubDownload[]>(),
  /**
   * Begins a download, or goes on with one; a job. Pausing keeps what came; cancelling the job, or dropping,
   * removes it.
   */
  startDownload: call(downloadRequest)<JobCard>(),
  followDownload: stream(z.object({ id: jobId }))<DownloadEvent>(),
  pauseDownload: call(z.object({ id: jobId }))<Record<string, never>>(),
  dropDownload: call(z.object({ repo: z.string().max(300), commit: z.string().max(64) }))<
    Record<string, never>
  >(),
  /**
   * Whose token is used; a token that is set goes to the key store, or stays in memory. It never comes back
   * out.
   */
  hubAccount: call(nothing)<HubAccount>(),
  setHubToken: call(hubToken)<HubAccount>(),
  /** What a push would do, and the push: one commit, a job. */
  planPush: call(pushRequest)<PushPlan>(),
  startPush: call(pushJob)<JobCard>(),
  followPush: stream(z.object({ id: jobId }))<PushEvent>(),

  /**
   * GPU boxes, reached by ssh through this service. Work goes to where the data is: everything in a place
   * happens there.
   */
  places: call(nothing)<readonly PlaceCard[]>(),
  addPlace: call(placeRequest)<readonly PlaceCard[]>(),
  removePlace: call(placeName)<readonly PlaceCard[]>(),
  openPlace: stream(placeName)<PlaceEvent>(),
  toPlace: call(placeSession)<Record<string, never>>(),
} as const;

export type Service = Api<typeof service>;
