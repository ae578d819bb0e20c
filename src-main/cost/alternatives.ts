/** @file What to try where a run does not fit: changes of settings from the least intrusive on, each with the memory it really needs. */
import type { DeviceKind } from '../base/device.ts';
import { precisionsOf } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { memoryOf, verdictOf, type Verdict } from './memory.ts';
import { programsOf, type Subject } from './programs.ts';

export interface Alternative { readonly what: string; readonly change: Partial<TrainingSettings>; readonly bytes: number; readonly verdict: Verdict }

function changes(s: TrainingSettings, device: DeviceKind): readonly { readonly what: string; readonly change: Partial<TrainingSettings> }[] {
  const list: { what: string; change: Partial<TrainingSettings> }[] = [], half = Math.ceil(s.batch / 2);
  if (s.batch > 1) list.push({ what: `batch ${half}, accumulate ${s.accumulate * 2}`, change: { batch: half, accumulate: s.accumulate * 2 } });
  if (s.recompute === 'off') list.push({ what: 'recompute attention', change: { recompute: 'attention' } });
  if (s.recompute !== 'full') list.push({ what: 'recompute every block', change: { recompute: 'full' } });
  if (s.batch > 2) list.push({ what: `batch 1, accumulate ${s.accumulate * s.batch}`, change: { batch: 1, accumulate: s.accumulate * s.batch } });
  if (s.precision === 'float32' && precisionsOf[device].includes('bfloat16')) list.push({ what: 'bfloat16', change: { precision: 'bfloat16' } });
  if (s.batch > 1 && s.recompute !== 'full') list.push({ what: `batch 1, accumulate ${s.accumulate * s.batch}, recompute every block`, change: { batch: 1, accumulate: s.accumulate * s.batch, recompute: 'full' } });
  if (s.sequence > 128) list.push({ what: `sequence ${Math.ceil(s.sequence / 2)}`, change: { sequence: Math.ceil(s.sequence / 2) } });
  if (s.optimizer === 'adamw') list.push({ what: 'SGD with momentum', change: { optimizer: 'sgd' } });
  return list;
}

/** Offers that fit, after which no more are looked for. */
const enough = 2;

/** Those that need less, the first few that fit before the rest. `bytes` is what the run needs as it is. */
export function alternativesOf(subject: Subject, s: TrainingSettings, device: DeviceKind, bytes: number, capacity: number | null, most = 4): readonly Alternative[] {
  const tried: Alternative[] = [];
  for (const { what, change } of changes(s, device)) {
    const now = { ...s, ...change }, { likely } = memoryOf(programsOf(subject, now, device), now, device).total;
    if (likely < 0.98 * bytes) tried.push({ what, change, bytes: likely, verdict: verdictOf(likely, capacity) });
    if (tried.filter((a) => a.verdict === 'fits').length === enough) break;      // each costs a whole graph
  }
  const rank = (v: Verdict): number => ['fits', 'tight', 'does not fit', 'unknown'].indexOf(v);
  return tried.sort((a, b) => rank(a.verdict) - rank(b.verdict)).slice(0, most);
}
