/** @file The devices of this computer, asked of an engine and remembered for a while: starting one takes a second. */
import type { Device } from '../contract/schema.ts';
import { withEngine, type Processes } from './engines.ts';

const fresh = 60_000;

/** A function that answers the devices, asking an engine at most once a minute. */
export function deviceList(processes: Processes): () => Promise<readonly Device[]> {
  let asked: { readonly at: number; readonly answer: Promise<readonly Device[]> } | undefined;
  return () => {
    if (asked && Date.now() - asked.at < fresh) return asked.answer;
    const answer = withEngine(processes, {}, (engine) => engine.devices({}));
    const now = { at: Date.now(), answer };
    asked = now;
    answer.catch(() => { if (asked === now) asked = undefined; });
    return answer;
  };
}
