/** @file The queue: which runs wait for which device. */
import './no-eval.ts';
import { z } from 'zod';
import { deviceKinds, type DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';

/** What can wait for a device. */
export const queuedKinds = ['run', 'bakeoff', 'tuning'] as const;
export type QueuedKind = (typeof queuedKinds)[number];

/** Where a run is put that cannot start at once. */
export const queuePlaces = ['first', 'last'] as const;
export const queuePlace = z.enum(queuePlaces);
export const queueMoves = ['first', 'up', 'down', 'last'] as const;
const queuedId = z.string().min(1).max(4096);

/** `id` is the folder of a waiting run, or its name. */
export const queueMoveRequest = z.object({ id: queuedId, to: z.enum(queueMoves) });
export const queueRemoval = z.object({ id: queuedId });
/** A bake-off or a tuning waits for its turn on the device: it is at `position` of `of`, from 1. */
export interface WaitingEvent {
  readonly type: 'waiting';
  readonly device: DeviceKind;
  readonly position: number;
  readonly of: number;
}

export const queueHold = z.object({ device: z.enum(deviceKinds), held: z.boolean() });

/** A run, a bake-off or a tuning in the queue of a device. */
export interface QueueEntry {
  readonly kind: QueuedKind;
  readonly dir: string;
  /** The name of the run; that of its folder if the folder is gone. */
  readonly name: string;
  /** When it was added, ISO 8601. */
  readonly added: string;
  /** Why it is passed over: its folder is not there, or it could not be started. */
  readonly error?: ErrorData;
}

export interface DeviceQueue {
  readonly device: DeviceKind;
  /** True if no waiting run starts on this device. */
  readonly isHeld: boolean;
  readonly waiting: readonly QueueEntry[];
}
