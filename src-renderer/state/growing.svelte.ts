/** @file A growth under way, from its events: how far it is, and its certificate. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import type { GrowEvent } from '../../src-main/contract/schema.ts';

type Written = Extract<GrowEvent, { at: 'tensor' }>;
type Done = Extract<GrowEvent, { at: 'done' }>;

export class Growing {
  written = $state.raw<Written | null>(null);
  moments = $state.raw<Extract<GrowEvent, { at: 'moments' }> | null>(null);
  certifying = $state(false);
  done = $state.raw<Done | null>(null);
  error = $state.raw<ErrorData | null>(null);
  bytesPerSecond = $derived(
    this.written && this.written.seconds > 0 ? this.written.bytes / this.written.seconds : Number.NaN,
  );
  secondsLeft = $derived(
    this.written ? (this.written.ofBytes - this.written.bytes) / this.bytesPerSecond : Number.NaN,
  );

  take(event: GrowEvent): void {
    if (event.at === 'tensor') this.written = event;
    else if (event.at === 'moments') this.moments = event;
    else if (event.at === 'certifying') this.certifying = true;
    else {
      this.done = event;
      this.certifying = false;
    }
  }
}
