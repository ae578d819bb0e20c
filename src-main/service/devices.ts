/**
 * @file The devices of this computer, asked of an engine and remembered for a while: starting one takes a
 * second.
 */
import type { Device } from '../contract/schema.ts';
import { withEngine, type Processes } from './engines.ts';

const fresh = 60_000;

export interface DeviceList {
  /** The devices, of which an engine is asked at most once a minute. */
  list(): Promise<readonly Device[]>;
  /** They may be others now. */
  forget(): void;
}

export function deviceList(processes: Processes): DeviceList {
  let asked: { readonly at: number; readonly answer: Promise<readonly Device[]> } | undefined;
  return {
    list() {
      if (asked && Date.now() - asked.at < fresh) return asked.answer;
      const answer = withEngine(processes, {}, (engine) => engine.devices({}));
      const now = { at: Date.now(), answer };
      asked = now;
      answer.catch(() => {
        if (asked === now) asked = undefined;
      });
      return answer;
    },
    forget() {
      asked = undefined;
    },
  };
}
