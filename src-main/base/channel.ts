/**
 * @file A channel carries messages in both directions and in order, until one side closes it. Messages that
 * arrive before there is a listener are kept.
 */

export interface Channel {
  /** Sends a message; does nothing after the channel has closed. */
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** `listener` is called once, when either side closes; at once if the channel is already closed. */
  onClose(listener: () => void): void;
  close(): void;
}

/** The receiving half of a channel, shared by all transports, which call `deliver` and `markClosed`. */
export interface Inbox {
  readonly onMessage: Channel['onMessage'];
  readonly onClose: Channel['onClose'];
  deliver(message: unknown): void;
  markClosed(): void;
  readonly isClosed: () => boolean;
}

/** An inbox that keeps messages until there is a listener, and calls late close listeners at once. */
export function createInbox(): Inbox {
  const messageListeners: ((message: unknown) => void)[] = [];
  const closeListeners: (() => void)[] = [];
  let early: unknown[] = [];
  let isClosed = false;
  return {
    onMessage(listener) {
      messageListeners.push(listener);
      const waiting = early;
      early = [];
      for (const message of waiting) listener(message);
    },
    onClose(listener) {
      if (isClosed) listener();
      else closeListeners.push(listener);
    },
    deliver(message) {
      if (messageListeners.length === 0) early.push(message);
      else for (const listener of messageListeners) listener(message);
    },
    markClosed() {
      if (isClosed) return;
      isClosed = true;
      for (const listener of closeListeners.splice(0)) listener();
    },
    isClosed: () => isClosed,
  };
}

/**
 * Two connected channels in memory. Messages arrive in a later microtask, as they would from another process;
 * a close arrives after the messages sent before it.
 */
export function createChannelPair(): readonly [Channel, Channel] {
  const left = createInbox();
  const right = createInbox();
  return [connectInboxes(left, right), connectInboxes(right, left)];
}

function connectInboxes(own: Inbox, other: Inbox): Channel {
  const later = (deliver: () => void): void => void Promise.resolve().then(deliver);
  return {
    send(message) {
      if (own.isClosed()) return;
      later(() => {
        if (!other.isClosed()) other.deliver(message);
      });
    },
    onMessage: own.onMessage,
    onClose: own.onClose,
    close() {
      own.markClosed();
      later(other.markClosed);
    },
  };
}
