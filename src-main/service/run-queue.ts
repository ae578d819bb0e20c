/** @file The queue of each device: a device does one run, bake-off or tuning at a time; the others wait in a list. */
import { basename } from 'node:path';
import type { DeviceKind } from '../base/device.ts';
import { createError, refuse, type ErrorData } from '../base/errors.ts';
import type { DeviceQueue, QueueEntry } from '../contract/queue.ts';
import type { Device } from '../contract/schema.ts';
import type { Home } from '../store/home/home.ts';
import {
  moveRun,
  placeRun,
  readQueue,
  updateQueue,
  withQueueLock,
  type QueueMove,
  type QueuePlace,
  type StoredQueue,
  type WaitingRun,
} from '../store/home/run-queue.ts';
import { readRun } from '../store/run/runs.ts';
import { activityOf } from '../store/run/state.ts';
import type { LaunchSettings } from '../train/launch.ts';
import type { QueuePosition, RunSettings } from '../train/run.ts';
import { toAbsolutePath } from './dependencies.ts';
import { queuedWorkOf, type OtherWork } from './queued-work.ts';

/** What decides on which device a run trains. */
export type DeviceDemand = Pick<RunSettings, 'settings'> & {
  readonly launch?: LaunchSettings | null | undefined;
};

export interface RunQueue {
  read(): Promise<StoredQueue>;
  list(): Promise<readonly DeviceQueue[]>;
  /** The place of each waiting run, by its folder. */
  positions(): Promise<ReadonlyMap<string, QueuePosition>>;
  add(run: Omit<WaitingRun, 'added'>, place: QueuePlace): Promise<void>;
  move(id: string, to: QueueMove): Promise<void>;
  /** The waiting run of this folder or name. Throws `queue/not-waiting`. */
  find(id: string): Promise<WaitingRun>;
  /** False if the run does not wait. */
  remove(dir: string): Promise<boolean>;
  hold(device: DeviceKind, isHeld: boolean): Promise<void>;
  /** Notes why a run could not be started. */
  setError(dir: string, error: ErrorData): Promise<void>;
  /** The device of this computer that a run would train on; null for a job of Slurm. */
  deviceOf(run: DeviceDemand): Promise<DeviceKind | null>;
  /**
   * The devices that have no room for one more run. A run of Cambium's own engine takes one GPU of several; whatever
   * else works on GPUs takes all of them, and begins when none is taken (`needsAll`).
   */
  busyDevices(options?: { readonly needsAll?: boolean }): Promise<ReadonlySet<DeviceKind>>;
  /**
   * Gives a run that is about to train a GPU that no other run has: its index or UUID for CUDA_VISIBLE_DEVICES.
   * Undefined where there is no choice.
   */
  takeGpu(dir: string): Promise<string | undefined>;
  /** Runs `work` while no other process starts or queues a run. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
}

/** The devices that `auto` tries in this order (engine/device/choose.ts). */
const autoOrder: readonly DeviceKind[] = ['cuda', 'webgpu'];

/** What a run takes. */
interface Occupation {
  readonly device: DeviceKind | null;
  /** True if it takes all GPUs of the computer. */
  readonly takesAll: boolean;
}

/** PyTorch trains on several GPUs. */
export const needsAllGpus = ({ launch }: DeviceDemand): boolean => (launch ?? null) !== null;

/** The GPUs that CUDA shows to this process, as in CUDA_VISIBLE_DEVICES. */
function nameGpus(count: number): readonly string[] {
  const visible = (process.env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').map((name) => name.trim());
  return Array.from({ length: count }, (_, i) => visible[i] || String(i));
}

/** `listOthers` lists the bake-offs and tunings with a job; those that do not wait in the queue take their device. */
export function createRunQueue(
  home: Home,
  listDevices: () => Promise<readonly Device[]>,
  listOthers: () => Promise<readonly OtherWork[]> = () => Promise.resolve([]),
): RunQueue {
  const update = (change: (before: StoredQueue) => Partial<StoredQueue>): Promise<void> =>
    updateQueue(home.dir, (before) => ({ ...before, ...change(before) }));
  const read = (): Promise<StoredQueue> => readQueue(home.dir);

  const find = async (id: string): Promise<WaitingRun> => {
    const path = toAbsolutePath(id);
    const { waiting } = await read();
    return (
      waiting.find(({ dir }) => dir === path) ??
      waiting.find(({ dir }) => basename(dir) === id) ??
      refuse('queue/not-waiting', { run: id })
    );
  };

  const deviceOf = async ({ settings, launch }: DeviceDemand): Promise<DeviceKind | null> => {
    if (launch?.slurm) return null;
    if (settings.device !== 'auto') return settings.device;
    const devices = await listDevices();
    const isUsable = (kind: DeviceKind): boolean =>
      devices.some(({ id, available, software }) => id === kind && available && software !== true);
    // PyTorch has no WebGPU.
    return autoOrder.find((kind) => isUsable(kind) && !(launch && kind === 'webgpu')) ?? 'cpu';
  };

  /** The devices of the runs that train now, by folder: a run keeps its device. */
  const activeDevices = new Map<string, Occupation>();
  const occupationOf = async (demand: DeviceDemand): Promise<Occupation> => ({
    device: await deviceOf(demand),
    takesAll: needsAllGpus(demand),
  });
  const listActive = async (): Promise<ReadonlyMap<string, Occupation>> => {
    const dirs = await home.listRuns();
    const active = await filterAsync(dirs, async (dir) => (await activityOf(dir)) !== null);
    for (const dir of activeDevices.keys()) if (!active.includes(dir)) activeDevices.delete(dir);
    for (const dir of active)
      if (!activeDevices.has(dir)) activeDevices.set(dir, await occupationOf(await readRun(dir)));
    return activeDevices;
  };
  const listGpus = async (): Promise<readonly string[]> => {
    const count = (await listDevices()).find(({ id }) => id === 'cuda')?.count ?? 1;
    return count > 1 ? nameGpus(count) : [];
  };

  return {
    read,
    deviceOf,
    async list() {
      const { waiting, held } = await read();
      const devices = [...new Set([...waiting.map(({ device }) => device), ...held])];
      return Promise.all(
        devices.map(async (device) => ({
          device,
          isHeld: held.includes(device),
          waiting: await Promise.all(waiting.filter((run) => run.device === device).map(describe)),
        })),
      );
    },
    async positions() {
      const { waiting } = await read();
      return new Map(
        waiting.map(({ dir, device }) => {
          const same = waiting.filter((run) => run.device === device);
          const position = same.findIndex((run) => run.dir === dir) + 1;
          return [dir, { device, position, of: same.length }];
        }),
      );
    },
    add: (run, place) =>
      update(({ waiting }) => ({
        waiting: placeRun(waiting, { ...run, added: new Date().toISOString() }, place),
      })),
    async move(id, to) {
      const { dir } = await find(id);
      await update(({ waiting }) => ({ waiting: moveRun(waiting, dir, to) }));
    },
    find,
    async remove(folder) {
      const { waiting } = await read();
      if (!waiting.some(({ dir }) => dir === folder)) return false;
      await update((before) => ({ waiting: before.waiting.filter(({ dir }) => dir !== folder) }));
      return true;
    },
    hold: (device, isHeld) =>
      update(({ held }) => ({
        held: [...held.filter((kind) => kind !== device), ...(isHeld ? [device] : [])],
      })),
    setError: (dir, error) =>
      update(({ waiting }) => ({
        waiting: waiting.map((run) => (run.dir === dir ? { ...run, error } : run)),
      })),
    async busyDevices({ needsAll = false } = {}) {
      const { waiting } = await read();
      const working = (await listOthers()).filter(({ dir }) => !waiting.some((one) => one.dir === dir));
      const others = await Promise.all(
        working.map(async ({ demand }) => ({ device: await deviceOf(demand), takesAll: true })),
      );
      const occupied = [...(await listActive()).values(), ...others];
      const onGpus = occupied.filter(({ device }) => device === 'cuda');
      const hasRoom =
        !needsAll &&
        onGpus.length > 0 &&
        onGpus.every(({ takesAll }) => !takesAll) &&
        onGpus.length < (await listGpus()).length;
      return new Set(
        occupied.flatMap(({ device }) => (device === null || (device === 'cuda' && hasRoom) ? [] : [device])),
      );
    },
    async takeGpu(dir) {
      const { device, takesAll } = await occupationOf(await readRun(dir));
      if (device !== 'cuda' || takesAll) return undefined;
      const gpus = await listGpus();
      if (gpus.length === 0) return undefined;
      const active = await listActive();
      let own: string | undefined;
      await update(({ gpus: before = {} }) => {
        const kept = Object.entries(before).filter(([other]) => other !== dir && active.has(other));
        own = gpus.find((gpu) => !kept.some(([, taken]) => taken === gpu)) ?? gpus[0]!;
        return { gpus: Object.fromEntries([...kept, [dir, own]]) };
      });
      return own;
    },
    exclusively: (work) => withQueueLock(home.dir, work),
  };
}

async function filterAsync<T>(items: readonly T[], isKept: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(items.map(isKept));
  return items.filter((_, i) => kept[i]);
}

async function describe(waiting: WaitingRun): Promise<QueueEntry> {
  const { kind, dir, added, error } = waiting;
  const work = queuedWorkOf(waiting);
  if (!(await work.isThere(dir))) {
    const missing = createError('run/not-found', { run: dir }).toData();
    return { kind: kind ?? 'run', dir, name: basename(dir), added, error: missing };
  }
  const name = await work.readName(dir).catch(() => basename(dir));
  return { kind: kind ?? 'run', dir, name, added, ...(error ? { error } : {}) };
}
