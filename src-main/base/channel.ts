/**
 * @file A channel: messages in both directions, in order, until one side closes. What arrives before someone
 * listens is kept.
 */

export interface Channel {
  /** Hands a message over; after the close it goes nowhere. */
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when either side has closed; at once when that has already happened. */
  onClose(listener: () => void): void;
  close(): void;
}

/**
 * The listening half of a channel, the same for every transport: `deliver` and `closed` are called by the
 * transport.
 */
export interface Inbox {
  readonly onMessage: Channel['onMessage'];
  readonly onClose: Channel['onClose'];
  deliver(message: unknown): void;
  closed(): void;
  readonly isClosed: () => boolean;
}

/** Keeps messages until there is a listener, and the close for listeners who come late. */
export function inbox(): Inbox {
  const listeners: ((message: unknown) => void)[] = [];
  const closers: (() => void)[] = [];
  let waiting: unknown[] = [];
  let over = false;
  return {
    onMessage(listener) {
      listeners.push(listener);
      const early = waiting;
      waiting = [];
      for (const message of early) listener(message);
    },
    onClose(listener) {
      if (over) listener();
      else closers.push(listener);
    },
    deliver(message) {
      if (listeners.length === 0) waiting.push(message);
      else for (const listener of listeners) listener(message);
    },
    closed() {
      if (over) return;
      over = true;
      for (const listener of closers.splice(0)) listener();
    },
    isClosed: () => over,
  };
}

/**
 * Two ends in memory. Messages arrive in a later microtask, as they would from elsewhere; a close arrives
 * after what was sent before it.
 */
export function channelPair(): readonly [Channel, Channel] {
  const boxes = [inbox(), inbox()] as const;
  const end = (own: Inbox, other: Inbox): Channel => ({
    send(message) {
      if (!own.isClosed())
        void Promise.resolve().then(() => {
          if (!other.isClosed()) other.deliver(message);
        });
    },
    onMessage: own.onMessage,
    onClose: own.onClose,
    close() {
      own.closed();
      void Promise.resolve().then(() => {
        other.closed();
      });
    },
  });
  return [end(boxes[0], boxes[1]), end(boxes[1], boxes[0])];
}
