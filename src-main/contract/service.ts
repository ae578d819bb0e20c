/** @file The API of the service, which the page, the command line and remote browsers call. */
import { z } from 'zod';
import type { Assumptions } from '../cost/assumptions.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import type { RunHistory } from '../train/run.ts';
import type { Activity, KnownCheckpoint } from './activity.ts';
import {
  bakeoffFolder,
  bakeoffJob,
  bakeoffReportRequest,
  bakeoffRequest,
  bakeoffResume,
  type BakeoffEvent,
  type BakeoffPlan,
  type BakeoffSummary,
  type BakeoffView,
  type StartedBakeoff,
} from './bakeoff.ts';
import type { ComparedSlopes } from './compared-slopes.ts';
import { appSettingChange, type AppSettings } from './app-settings.ts';
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
import { gpuInstall, type GpuEvent, type GpuStatus } from './gpu.ts';
import {
  downloadRequest,
  hubName,
  hubSearch,
  datasetSearch,
  datasetRequest,
  type HubDatasetHit,
  type HubDatasetView,
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
import type { Lineage } from './lineage.ts';
import { queueHold, queueMoveRequest, queueRemoval, type DeviceQueue } from './queue.ts';
import {
  remoteHostName,
  remoteHostRequest,
  remoteMessage,
  type RemoteEvent,
  type RemoteHost,
} from './remote-hosts.ts';
import { call, stream, type Api } from './rpc.ts';
import { previewRequest, tokenizeRequest, type PreviewEvent, type TokenizeEvent } from './text.ts';
import {
  certificateReportRequest,
  certifyRequest,
  checkpointRequest,
  checkRequest,
  choicesRequest,
  decayRequest,
  evaluateRequest,
  exportRequest,
  growJob,
  growthRecipe,
  jobId,
  locateRequest,
  logitsRequest,
  nonNegativeInteger,
  nothing,
  path,
  resumeRequest,
  runId,
  sampleRequest,
  savedPlan,
  stopRequest,
  trainingRequest,
  type About,
  type CertificateReport,
  type CertifyEvent,
  type Check,
  type CheckResult,
  type CheckpointSummary,
  type ChoicesEvent,
  type Device,
  type EvaluateEvent,
  type ExportEvent,
  type Folder,
  type GrowEvent,
  type JobSummary,
  type RunCheckpoint,
  type RunEvent,
  type RunSummary,
  type SampleEvent,
  type TrashedRun,
  type WrittenLogits,
} from './schema.ts';
import type { TorchEvent, TorchStatus } from './torch.ts';
import type { TuningEstimate } from '../cost/tuning.ts';
import {
  tuneRequest,
  tuningFolder,
  tuningReportRequest,
  tuningResume,
  type StoredTuning,
  type TuneEvent,
} from './tune.ts';

const job = z.object({ id: jobId });
const run = z.object({ id: runId });
const checkpoint = z.object({ dir: path });
/** A call without a result. */
type Done = Record<string, never>;

export const service = {
  about: call(nothing)<About>(),
  devices: call(nothing)<readonly Device[]>(),
  /** The settings of the app: theme, notifications, port, folders, trash. */
  appSettings: call(nothing)<AppSettings>(),
  changeAppSettings: call(appSettingChange)<AppSettings>(),
  doctor: call(nothing)<readonly Check[]>(),
  /** A report to attach to a bug report. It contains no secrets. */
  diagnostics: call(z.object({ run: runId.optional() }))<{ readonly text: string }>(),
  /** The CUDA provider: its status, installing and removing it. */
  gpuStatus: call(nothing)<GpuStatus>(),
  installGpu: stream(gpuInstall)<GpuEvent>(),
  removeGpu: call(nothing)<{ readonly removed: boolean }>(),
  /** PyTorch, which trains on several devices: its status, installing and removing it. */
  torchStatus: call(nothing)<TorchStatus>(),
  installTorch: stream(nothing)<TorchEvent>(),
  removeTorch: call(nothing)<{ readonly removed: boolean }>(),
  /** Jobs, runs and known checkpoints: first all of them, then the changes. */
  activity: stream(nothing)<Activity>(),

  /** Checkpoints that were opened or made before, newest first, with the built-in one. Missing folders are omitted. */
  checkpoints: call(nothing)<readonly KnownCheckpoint[]>(),
  openCheckpoint: call(checkpoint)<CheckpointSummary>(),
  /**
   * Whether a checkpoint was read rightly: measures its loss on a text, and judges whether a trained model has it.
   * A certificate cannot see an error that source and grown model share.
   */
  checkCheckpoint: call(checkRequest)<CheckResult>(),
  /** Writes the logits of checkpoints into a new folder, to compare them with those of another program. */
  writeLogits: call(logitsRequest)<WrittenLogits>(),
  /** Removes a checkpoint from the list; its files stay. */
  forgetCheckpoint: call(checkpoint)<Done>(),
  /** Writes the example text of short stories into the home folder, unless it is there, and returns its path. */
  exampleText: call(nothing)<{ readonly path: string }>(),
  listFolder: call(z.object({ dir: path.optional() }))<Folder>(),
  /**
   * Finds the local folders of a checkpoint by its name, config.json and file sizes. A browser needs this because
   * it does not reveal the path of a dropped folder.
   */
  locateCheckpoint: call(locateRequest)<{ readonly dirs: readonly string[] }>(),

  /**
   * Plans one growth, or several stages, for a checkpoint or the newest saved step of a run. The plan includes a
   * fingerprint of the weights, so it can be saved as a file.
   */
  planGrowth: call(z.object({ dir: path, request: growthRecipe }))<SavedPlan>(),
  /** Throws if a plan is not valid or was made for another checkpoint; the error says what differs. */
  checkPlan: call(z.object({ dir: path, plan: savedPlan }))<Done>(),
  /** Growing, certifying and exporting are jobs, which continue when the window closes. */
  startGrowth: call(growJob)<JobSummary>(),
  followGrowth: stream(job)<GrowEvent>(),
  /** Compares a grown checkpoint with its source on a text; leaving the stream cancels it. */
  certify: stream(certifyRequest)<CertifyEvent>(),
  /** The certificate in growth.json of a checkpoint, as JSON or as a web page of its own. */
  certificateReport: call(certificateReportRequest)<CertificateReport>(),
  startExport: call(exportRequest)<JobSummary>(),
  followExport: stream(job)<ExportEvent>(),
  jobs: call(nothing)<readonly JobSummary[]>(),
  cancelJob: call(job)<Done>(),

  /** A bake-off of growth methods: its candidates, their probes, and what they will take. */
  planBakeoff: call(bakeoffRequest)<BakeoffPlan>(),
  /** Starts a bake-off as a job. Cancelling the job pauses it: it has saved, and `resumeBakeoff` continues it. */
  startBakeoff: call(bakeoffJob)<StartedBakeoff>(),
  resumeBakeoff: call(bakeoffResume)<StartedBakeoff>(),
  followBakeoff: stream(job)<BakeoffEvent>(),
  /** The known bake-offs, newest first. */
  bakeoffs: call(nothing)<readonly BakeoffSummary[]>(),
  bakeoff: call(bakeoffFolder)<BakeoffView>(),
  /** The report as JSON or as a web page of its own, also while the bake-off runs. */
  bakeoffReport: call(bakeoffReportRequest)<CertificateReport>(),

  startRun: call(trainingRequest)<RunSummary>(),
  runs: call(nothing)<readonly RunSummary[]>(),
  run: call(run)<RunSummary>(),
  /** The newest saved step of a run, as a checkpoint that can be grown. */
  openRun: call(run)<CheckpointSummary>(),
  /** The saved steps of a run, newest first; deleting one returns those that are left. */
  runCheckpoints: call(run)<readonly RunCheckpoint[]>(),
  deleteCheckpoint: call(checkpointRequest)<readonly RunCheckpoint[]>(),
  /** The events of a run, thinned for charts; with both `from` and `to`, those of the steps between them. */
  runHistory: call(
    z.object({ id: runId, from: nonNegativeInteger.optional(), to: nonNegativeInteger.optional() }),
  )<RunHistory>(),
  /**
   * The slope of a run's loss after its last growth to the size of the run `other`, beside the slope of that run at
   * the same loss.
   */
  compareSlopes: call(z.object({ id: runId, other: runId }))<ComparedSlopes>(),
  /** All events from line `from` of events.jsonl, then live ones until the run stops. */
  followRun: stream(
    z.object({ id: runId, from: nonNegativeInteger, offset: nonNegativeInteger.optional() }),
  )<RunEvent>(),
  stopRun: call(stopRequest)<RunSummary>(),
  /** Changes the name, tags or notes of a run; what is absent stays. */
  annotateRun: call(
    z.object({
      id: runId,
      name: z.string().trim().min(1).max(200).optional(),
      tags: z.array(z.string().trim().min(1).max(60)).max(50).optional(),
      notes: z.string().max(100_000).optional(),
    }),
  )<RunSummary>(),
  /** Moves a run that is not training into the trash folder beside it; `restoreRun` moves it back. */
  trashRun: call(run)<{ readonly trashed: string }>(),
  restoreRun: call(z.object({ trashed: path }))<RunSummary>(),
  trashedRuns: call(nothing)<readonly TrashedRun[]>(),
  /** Deletes the runs that were moved to the trash at least `days` days ago; 0 deletes all. */
  emptyTrash: call(z.object({ days: z.number().min(0).max(36_500) }))<{ readonly deleted: number }>(),
  /** The graph of all checkpoints and runs. */
  lineage: call(nothing)<Lineage>(),
  /**
   * Resumes from the newest checkpoint, or from that of `step`, which deletes what came after it. A larger total of
   * `tokens` extends the run, even a finished one.
   */
  resumeRun: call(resumeRequest)<RunSummary>(),
  /** Lets the learning rate fall to its minimum from here, then ends the run. Resumes a run that is not training. */
  decayRun: call(decayRequest)<RunSummary>(),
  /** Ends the stage of a run with stages after its current step, and grows. Resumes a run that is not training. */
  growRun: call(run)<RunSummary>(),

  /**
   * Tunes hyperparameters on a checkpoint and transfers them to a growth of it, as a job. Cancelling the job pauses the
   * tuning; `resumeTuning` continues it.
   */
  startTuning: call(tuneRequest)<JobSummary>(),
  /** What all its trials will take. Starts nothing. */
  estimateTuning: call(tuneRequest)<TuningEstimate>(),
  resumeTuning: call(tuningResume)<JobSummary>(),
  followTuning: stream(job)<TuneEvent>(),
  /** Tunings of a checkpoint and of the source that it was grown from, or all, newest first. */
  tunings: call(z.object({ checkpoint: path.optional() }))<readonly StoredTuning[]>(),
  tuning: call(tuningFolder)<StoredTuning>(),
  /** A tuning as JSON or as a web page of its own. */
  tuningReport: call(tuningReportRequest)<CertificateReport>(),

  /** The runs that wait for a device, in their order. The server and the desktop app start them. */
  queue: call(nothing)<readonly DeviceQueue[]>(),
  moveInQueue: call(queueMoveRequest)<readonly DeviceQueue[]>(),
  /** Takes a run out of the queue; its folder stays. */
  removeFromQueue: call(queueRemoval)<readonly DeviceQueue[]>(),
  /** Lets no waiting run start on a device, or lets them start again. */
  holdQueue: call(queueHold)<readonly DeviceQueue[]>(),

  sample: stream(sampleRequest)<SampleEvent>(),
  evaluate: stream(evaluateRequest)<EvaluateEvent>(),
  evaluateChoices: stream(choicesRequest)<ChoicesEvent>(),

  /** The tokens of a text or of documents, as training reads them. */
  tokenizeText: stream(tokenizeRequest)<TokenizeEvent>(),
  /** What training would read of some data: files, documents, tokens, a beginning, and what is left out. */
  previewText: stream(previewRequest)<PreviewEvent>(),

  /** What estimates are based on: devices, prices, measured speeds, earlier runs and the user's own prices. */
  costs: call(costRequest)<CostFacts>(),
  estimate: call(estimateRequest)<Estimate>(),
  /** Changes assumptions of all later estimates. */
  setAssumptions: call(assumptionChange)<Assumptions>(),
  /** Measures the speed of a device and stores it. */
  measureDevice: call(measureRequest)<MeasuredDevice>(),
  /** The estimated and the actual cost of a run; null if it has no record. */
  runCost: call(run)<CostRecord | null>(),

  /** The Hugging Face Hub: a page of search results, and one model, read from its headers. */
  hubSearch: call(hubSearch)<HubPage>(),
  searchDatasets: call(datasetSearch)<readonly HubDatasetHit[]>(),
  hubDataset: call(datasetRequest)<HubDatasetView>(),
  hubModel: call(hubName)<HubModel>(),
  /** All models in the Hugging Face cache, and the incomplete downloads. */
  hubCached: call(nothing)<readonly HubCached[]>(),
  hubDownloads: call(nothing)<readonly HubDownload[]>(),
  /**
   * Starts or continues a download, as a job. Pausing keeps the partial files; cancelling the job or dropping the
   * download deletes them.
   */
  startDownload: call(downloadRequest)<JobSummary>(),
  followDownload: stream(job)<DownloadEvent>(),
  pauseDownload: call(job)<Done>(),
  dropDownload: call(z.object({ repo: z.string().max(300), commit: z.string().max(64) }))<Done>(),
  /** The owner of the token. A new token is stored in the key store or in memory, and is never sent back. */
  hubAccount: call(nothing)<HubAccount>(),
  setHubToken: call(hubToken)<HubAccount>(),
  /** What a push would upload, and the push itself: a job that makes one commit. */
  planPush: call(pushRequest)<PushPlan>(),
  startPush: call(pushJob)<JobSummary>(),
  followPush: stream(job)<PushEvent>(),

  /** Remote hosts, reached by ssh through this service. All work on a remote host runs there, with its own files. */
  remoteHosts: call(nothing)<readonly RemoteHost[]>(),
  addRemoteHost: call(remoteHostRequest)<readonly RemoteHost[]>(),
  removeRemoteHost: call(remoteHostName)<readonly RemoteHost[]>(),
  openRemote: stream(remoteHostName)<RemoteEvent>(),
  sendToRemote: call(remoteMessage)<Done>(),
} as const;

export type Service = Api<typeof service>;
