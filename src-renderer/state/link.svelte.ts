/**
 * @file The connection to the service, kept alive: one `service` object for the life of the page, over as
 * many channels as it takes.
 */
import type { ErrorData } from '../../src-main/base/errors.ts';
import { connect } from '../../src-main/contract/connect.ts';
import { service as contract, type Service } from '../../src-main/contract/service.ts';
import type { Dial } from '../service.ts';

/** `refused`: the very first attempt failed, so the token is wrong or the server is gone. */
export type LinkState = 'connecting' | 'open' | 'lost' | 'refused';

type Procedure = (input: unknown, signal?: AbortSignal) => unknown;

export class Link {
  state = $state<LinkState>('connecting');
  /** Why it is `refused`, where that is known. */
  why = $state.raw<ErrorData>();
  /** Forwards to the newest connection; while there is none, its calls fail with `rpc/closed`. */
  readonly service: Service;
  #current: Service | null = null;
  #waiting: (() => void)[] = [];
  #failures = 0;

  constructor(dial: Dial) {
    this.service = Object.fromEntries(
      Object.keys(contract).map((name) => [
        name,
        (input: unknown, signal?: AbortSignal) =>
          (this.#current as unknown as Record<string, Procedure>)[name]!(input, signal),
      ]),
    ) as unknown as Service;
    const retry = (): void => {
      const delay = Math.min(5000, 300 * 2 ** this.#failures++);
      setTimeout(() => dial.again?.(), delay);
    };
    dial.start(
      (channel) => {
        this.#current = connect(contract, channel);
        this.#failures = 0;
        this.state = 'open';
        for (const go of this.#waiting.splice(0)) go();
        channel.onClose(() => {
          this.state = 'lost';
          retry();
        });
      },
      (why) => {
        if (this.#current) retry();
        else {
          this.why = why;
          this.state = 'refused';
        }
      },
    );
  }

  /** Resolves when there is a connection: at once, or after the next one opens. */
  opened(): Promise<void> {
    return this.state === 'open'
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#waiting.push(resolve);
        });
  }
}
