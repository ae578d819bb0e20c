/** @file The progress of a running growth, from its events. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import type { GrowEvent } from '../../src-main/contract/schema.ts';

type EventOf<T extends GrowEvent['type']> = Extract<GrowEvent, { type: T }>;

export class GrowthProgress {
  written = $state.raw<EventOf<'tensor'> | null>(null);
  moments = $state.raw<EventOf<'moments'> | null>(null);
  isCertifying = $state(false);
  done = $state.raw<EventOf<'done'> | null>(null);
  error = $state.raw<ErrorData | null>(null);
  /** NaN before the first tensor. */
  bytesPerSecond = $derived(
    this.written && this.written.seconds > 0 ? this.written.bytes / this.written.seconds : Number.NaN,
  );
  secondsLeft = $derived(
    this.written ? (this.written.ofBytes - this.written.bytes) / this.bytesPerSecond : Number.NaN,
  );

  add(event: GrowEvent): void {
    switch (event.type) {
      case 'tensor':
        // The text of a certificate is tokenized before the growth.
        this.isCertifying = false;
        this.written = event;
        break;
      case 'moments':
        this.moments = event;
        break;
      case 'certifying':
        this.isCertifying = true;
        break;
      case 'done':
        this.done = event;
        this.isCertifying = false;
        break;
    }
  }
}
