/** @file The devices of this computer, listed by an engine and cached, because starting one takes a second. */
import type { Device } from '../contract/schema.ts';
import { withEngine, type Processes } from './engines.ts';

const cacheMilliseconds = 60_000;

export interface DeviceList {
  /** Asks an engine at most once a minute. */
  list(): Promise<readonly Device[]>;
  /** Drops the cached devices. */
  invalidate(): void;
}

export function createDeviceList(processes: Processes): DeviceList {
  let cached: { readonly time: number; readonly devices: Promise<readonly Device[]> } | undefined;
  return {
    list() {
      if (cached && Date.now() - cached.time < cacheMilliseconds) return cached.devices;
      const devices = withEngine(processes, {}, (engine) => engine.devices({}));
      const entry = { time: Date.now(), devices };
      cached = entry;
      devices.catch(() => {
        if (cached === entry) cached = undefined;
      });
      return devices;
    },
    invalidate() {
      cached = undefined;
    },
  };
}
