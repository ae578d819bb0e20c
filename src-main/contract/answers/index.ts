/**
 * @file The schemas of what the service answers, one for each procedure. A caller checks with them what a remote
 * host sends: the host may be broken, of another version, or hostile.
 */
import '../no-eval.ts';
import { z } from 'zod';
import type { Activity } from '../activity.ts';
import { appSettings } from '../app-settings.ts';
import { remoteHostRequest } from '../remote-hosts.ts';
import type { OutputsOf } from '../rpc.ts';
import type { service } from '../service.ts';
import {
  certificateReport,
  certifyEvent,
  checkpointSummary,
  checkResult,
  choicesEvent,
  evaluateEvent,
  exportEvent,
  growEvent,
  knownCheckpoint,
  lineage,
  plan,
  sampleEvent,
  writtenLogits,
} from './checkpoints.ts';
import { bakeoffEvent, bakeoffPlan, bakeoffSummary, bakeoffView, startedBakeoff } from './bakeoff.ts';
import { count, done, text, texts } from './shared-schemas.ts';
import { about, check, device, folder, gpuEvent, gpuStatus, torchEvent, torchStatus } from './computer.ts';
import { assumptions, costFacts, costRecord, estimate, measuredDevice } from './cost.ts';
import { exactly } from './exact.ts';
import {
  downloadEvent,
  hubAccount,
  hubCached,
  hubDownload,
  hubModel,
  hubPage,
  hubDatasets,
  hubDataset,
  pushEvent,
  pushPlan,
} from './hub.ts';
import {
  comparedSlopes,
  deviceQueues,
  jobSummary,
  runCheckpoints,
  runEvent,
  runHistory,
  runSummary,
  trashedRun,
} from './runs.ts';
import { previewEvent, tokenizeEvent } from './text.ts';
import { storedTuning, tuneEvent, tuningEstimate } from './tune.ts';

const activity = exactly<Activity>()(
  z.object({
    jobs: z.array(jobSummary).exactOptional(),
    runs: z.array(runSummary).exactOptional(),
    gone: texts.exactOptional(),
    queue: deviceQueues.exactOptional(),
    checkpoints: z.array(knownCheckpoint).exactOptional(),
  }),
);
const removed = z.object({ removed: z.boolean() });
const remoteHosts = z.array(remoteHostRequest);

export const answers: { readonly [K in keyof typeof service]: z.ZodType<OutputsOf<typeof service>[K]> } = {
  about,
  devices: z.array(device),
  appSettings,
  changeAppSettings: appSettings,
  doctor: z.array(check),
  diagnostics: z.object({ text }),
  gpuStatus,
  installGpu: gpuEvent,
  removeGpu: removed,
  torchStatus,
  installTorch: torchEvent,
  removeTorch: removed,
  activity,

  checkpoints: z.array(knownCheckpoint),
  openCheckpoint: checkpointSummary,
  checkCheckpoint: checkResult,
  writeLogits: writtenLogits,
  forgetCheckpoint: done,
  exampleText: z.object({ path: text }),
  listFolder: folder,
  locateCheckpoint: z.object({ dirs: texts }),

  planGrowth: plan,
  checkPlan: done,
  startGrowth: jobSummary,
  followGrowth: growEvent,
  certify: certifyEvent,
  certificateReport,
  startExport: jobSummary,
  followExport: exportEvent,
  jobs: z.array(jobSummary),
  cancelJob: done,

  planBakeoff: bakeoffPlan,
  startBakeoff: startedBakeoff,
  resumeBakeoff: startedBakeoff,
  followBakeoff: bakeoffEvent,
  bakeoffs: z.array(bakeoffSummary),
  bakeoff: bakeoffView,
  bakeoffReport: certificateReport,

  startRun: runSummary,
  runs: z.array(runSummary),
  run: runSummary,
  openRun: checkpointSummary,
  queue: deviceQueues,
  moveInQueue: deviceQueues,
  removeFromQueue: deviceQueues,
  holdQueue: deviceQueues,
  runCheckpoints,
  deleteCheckpoint: runCheckpoints,
  runHistory,
  compareSlopes: comparedSlopes,
  followRun: runEvent,
  stopRun: runSummary,
  annotateRun: runSummary,
  trashRun: z.object({ trashed: text }),
  restoreRun: runSummary,
  trashedRuns: z.array(trashedRun),
  emptyTrash: z.object({ deleted: count }),
  lineage,
  resumeRun: runSummary,
  decayRun: runSummary,
  growRun: runSummary,

  startTuning: jobSummary,
  resumeTuning: jobSummary,
  estimateTuning: tuningEstimate,
  followTuning: tuneEvent,
  tunings: z.array(storedTuning),
  tuning: storedTuning,
  tuningReport: certificateReport,

  sample: sampleEvent,
  evaluate: evaluateEvent,
  evaluateChoices: choicesEvent,

  tokenizeText: tokenizeEvent,
  previewText: previewEvent,

  costs: costFacts,
  estimate,
  setAssumptions: assumptions,
  measureDevice: measuredDevice,
  runCost: costRecord.nullable(),

  hubSearch: hubPage,
  searchDatasets: hubDatasets,
  hubDataset,
  hubModel,
  hubCached: z.array(hubCached),
  hubDownloads: z.array(hubDownload),
  startDownload: jobSummary,
  followDownload: downloadEvent,
  pauseDownload: done,
  dropDownload: done,
  hubAccount,
  setHubToken: hubAccount,
  planPush: pushPlan,
  startPush: jobSummary,
  followPush: pushEvent,

  remoteHosts,
  addRemoteHost: remoteHosts,
  removeRemoteHost: remoteHosts,
  openRemote: z.union([
    z.object({ type: z.literal('open'), session: text, version: text }),
    z.object({ type: z.literal('message'), message: z.unknown() }),
  ]),
  sendToRemote: done,
};
