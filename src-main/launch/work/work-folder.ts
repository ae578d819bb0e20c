/**
 * @file The work folder of a job: everything that the trainer reads, in one folder.
 *
 *     settings.json, job.json                what to do
 *     trainer/                               the trainer itself (resources/distributed)
 *     model/, teacher/, tokens/              checkpoints and token files
 *     events.jsonl, sharded/, memory.json    what the trainer writes, beside the checkpoints of the run
 *     stop, decay, preempt                   requests
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { changeDType } from '../../growth/apply/change-dtype.ts';
import { formatRecord, growthRecordFile } from '../../model/records.ts';
import { listAuxiliaryFiles } from '../../store/checkpoint/auxiliary-files.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { momentsFile, momentsFolder } from '../../store/checkpoint/moments.ts';
import { readTokenSummary } from '../../store/data/token-files.ts';
import { readOrRefuse } from '../../store/fs/files.ts';
import type { TextPart } from '../../train/batches.ts';
import { dataGroupsOf, processesOf, type LaunchSettings } from '../../train/launch.ts';
import { partsOf } from '../../train/optimizers/index.ts';
import type { RunSettings } from '../../train/run.ts';
import { retentionOf } from '../../train/retention.ts';
import {
  consolidationOf,
  grownMomentUpdates,
  jobCopiesOf,
  jobVersion,
  jobWeightsOf,
  type JobFile,
} from './job-file.ts';

/** A file of a work folder: a text, or a copy of a file of this computer. Paths have forward slashes. */
export type WorkFile =
  | { readonly path: string; readonly text: string }
  | { readonly path: string; readonly from: string; readonly bytes: number };

export interface Work {
  readonly job: JobFile;
  readonly files: readonly WorkFile[];
}

export const jobFile = 'job.json';
export const settingsFile = 'settings.json';
export const eventsFile = 'events.jsonl';
export const logFile = 'log.txt';
export const stopFile = 'stop';
export const decayFile = 'decay';
export const preemptFile = 'preempt';
export const failureFile = 'failure.json';
export const shardedFolder = 'sharded';
export const trainerFolder = 'trainer';

export interface WorkRequest {
  readonly run: RunSettings;
  readonly launch: LaunchSettings;
  /** The checkpoint that the run began with, or that of its newest step. */
  readonly base: Checkpoint;
  /** True if the run has a checkpoint, from which it continues. */
  readonly hasStep: boolean;
  /** Folder of the checkpoints of the run, as a path from the work folder. */
  readonly checkpoints: string;
  /** Folders of the token files, in order, and the parts that batches are drawn from. */
  readonly tokenFolders: readonly string[];
  readonly parts: readonly TextPart[];
  /** The folder of the trainer: `distributed` of the resources. */
  readonly trainer: string;
  /** Whether layers recompute their activations in the backward pass. */
  readonly activationCheckpointing: 'off' | 'full';
}

/** Describes the files of a work folder. Refuses models and settings that the trainer cannot train. */
export async function describeWork(request: WorkRequest): Promise<Work> {
  const { run, launch, base, hasStep, checkpoints } = request;
  checkTrainable(base, request);
  const weights = jobWeightsOf(base, run.settings);
  const momentUpdates = hasStep ? 0 : await grownMomentUpdates(base, weights, run.settings);
  const { settings } = run;
  const countBytes = ({ name, rule }: (typeof weights)[number]): number =>
    base.tensors.get(name)!.shape.reduce((a, b) => a * b, 4) * partsOf({ rule }, settings).length;
  const stateBytes = weights.reduce((sum, weight) => sum + countBytes(weight), 0);
  const teacher = settings.distillWeight > 0 ? await openTeacher(base, run) : undefined;
  const tokens = await listTokenFiles(request.tokenFolders);
  const job: JobFile = {
    version: jobVersion,
    weights,
    copies: jobCopiesOf(base, settings),
    tokens: { folders: tokens.folders, parts: request.parts },
    model: 'model',
    grownMoments: momentUpdates > 0 ? `model/${momentsFolder}` : null,
    momentUpdates,
    checkpoints,
    kept: retentionOf(settings).newest,
    teacher: teacher ? 'teacher' : null,
    teacherWeights: teacher ? jobWeightsOf(teacher, settings) : [],
    tensorParallel: launch.tensorParallel,
    compile: launch.compile,
    activationCheckpointing: request.activationCheckpointing,
    pricePerHour: launch.pricePerHour === undefined ? null : launch.pricePerHour * processesOf(launch),
    consolidate: consolidationOf(launch, stateBytes),
  };
  const keepsGrowth = settings.init === 'checkpoint';
  const files: readonly WorkFile[] = [
    ...(await listFolder(request.trainer, trainerFolder, (path) => path.endsWith('.py'))),
    ...(await listModel(base, 'model', { weights: !hasStep && keepsGrowth, record: keepsGrowth })),
    ...(momentUpdates > 0
      ? [await toCopy(join(base.dir, momentsFolder, momentsFile), `model/${momentsFolder}/${momentsFile}`)]
      : []),
    ...(teacher ? await listModel(teacher, 'teacher', { weights: true, record: false }) : []),
    ...tokens.files,
    { path: settingsFile, text: `${JSON.stringify(run, null, 1)}\n` },
    { path: jobFile, text: `${JSON.stringify(job)}\n` },
  ];
  return { job, files };
}

function checkTrainable({ family }: Checkpoint, { run: { settings, stages }, launch }: WorkRequest): void {
  if (family.mixture)
    refuse('torch/unsupported', {
      what: `mixtures of experts (${family.title}): transformers stores them fused`,
    });
  if (settings.precision === 'float16')
    refuse('torch/unsupported', { what: 'float16, which needs a loss scale; bfloat16 does not' });
  if (stages) refuse('torch/unsupported', { what: 'runs that grow while they train' });
  if (settings.trainable.trim() !== 'all') refuse('torch/unsupported', { what: 'frozen weights' });
  if (settings.keepEvery > 0 || settings.keepBest > 0)
    refuse('torch/unsupported', { what: 'keeping every Nth or the best checkpoints' });
  if (settings.device === 'webgpu')
    refuse('torch/unsupported', { what: 'WebGPU; it trains on CUDA, ROCm and CPUs' });
  const { tensorParallel } = launch;
  const processes = processesOf(launch);
  if (processes % tensorParallel !== 0)
    refuse('run/bad-setting', {
      setting: 'tensor parallel',
      why: `is ${tensorParallel}, which does not divide ${processes} processes`,
    });
  const groups = dataGroupsOf(launch);
  const sequences = settings.microBatch * settings.gradAccum;
  if (groups > sequences) refuse('torch/too-many-processes', { processes: groups, sequences });
}

/** The frozen source of distillation. Throws `run/no-source`. */
async function openTeacher(base: Checkpoint, { checkpoint, settings }: RunSettings): Promise<Checkpoint> {
  const fail = (why: string): never => refuse('run/no-source', { checkpoint: base.dir, why });
  const open = (dir: string): Promise<Checkpoint> =>
    openCheckpoint(dir).catch((error: unknown) => fail((error as Error).message));
  const growth = settings.init === 'random' ? (await open(checkpoint)).growth : base.growth;
  if (!growth) return fail('it was not grown by Cambium');
  const source = await open(growth.source);
  return source.dims['vocab']! > base.dims['vocab']! ? fail('its vocabulary is larger') : source;
}

const toCopy = async (from: string, path: string): Promise<WorkFile> => ({
  path,
  from,
  bytes: (await readOrRefuse(from, () => stat(from))).size,
});

/** The files below a folder whose path is accepted. */
async function listFolder(
  folder: string,
  target: string,
  accepts: (path: string) => boolean = () => true,
): Promise<readonly WorkFile[]> {
  const entries = await readOrRefuse(folder, () => readdir(folder, { recursive: true, withFileTypes: true }));
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const wanted = paths.filter(accepts).sort();
  const toTarget = (path: string): string => `${target}/${relative(folder, path).replaceAll('\\', '/')}`;
  return Promise.all(wanted.map((path) => toCopy(path, toTarget(path))));
}

/** A checkpoint in float32: its config, what is copied beside the weights, and its files of weights if wanted. */
async function listModel(
  checkpoint: Checkpoint,
  target: string,
  wanted: { readonly weights: boolean; readonly record: boolean },
): Promise<readonly WorkFile[]> {
  const { config } = changeDType(checkpoint, 'float32');
  const shards = wanted.weights ? [...new Set([...checkpoint.tensors.values()].map(({ file }) => file))] : [];
  const auxiliary = await listAuxiliaryFiles(checkpoint.dir);
  const { growth } = checkpoint;
  return [
    { path: `${target}/config.json`, text: `${JSON.stringify(config, null, 2)}\n` },
    ...auxiliary.map(({ name, path, bytes }) => ({ path: `${target}/${name}`, from: path, bytes })),
    ...(wanted.record && growth
      ? [{ path: `${target}/${growthRecordFile}`, text: formatRecord(growth) }]
      : []),
    ...(await Promise.all(shards.map((file) => toCopy(file, `${target}/${basename(file)}`)))),
  ];
}

interface TokenFiles {
  /** Folders in the work folder, one for each of the given folders. */
  readonly folders: readonly string[];
  readonly files: readonly WorkFile[];
}

/** The files of token folders; a folder that is used twice is there once. */
async function listTokenFiles(folders: readonly string[]): Promise<TokenFiles> {
  const unique = [...new Set(folders)];
  const targetOf = (folder: string): string => `tokens/${unique.indexOf(folder)}`;
  const lists = await Promise.all(
    unique.map(async (folder) => {
      const { parts } = await readTokenSummary(folder);
      const names = ['tokens.json', 'documents.bin', ...parts.map(({ file }) => file)];
      return Promise.all(names.map((name) => toCopy(join(folder, name), `${targetOf(folder)}/${name}`)));
    }),
  );
  return { folders: folders.map(targetOf), files: lists.flat() };
}
