/** @file The connection to the service, which is opened again whenever it is lost. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import { connect } from '../../src-main/contract/connect.ts';
import { service as contract, type Service } from '../../src-main/contract/service.ts';
import type { Absence, Transport } from '../transport.ts';

/** `refused`: the very first attempt failed, so the token is wrong or the server is gone. */
export type ConnectionState = 'connecting' | 'open' | 'lost' | 'refused';

type Procedure = (input: unknown, signal?: AbortSignal) => unknown;

/** Delay before the first attempt to reconnect, in milliseconds. It doubles up to the longest. */
const firstDelay = 300;
const longestDelay = 5000;

export class Connection {
  state = $state<ConnectionState>('connecting');
  /** Why it was refused, if known. */
  error = $state.raw<ErrorData>();
  /** Why it is lost, once an attempt to reconnect has shown it. */
  absence = $state.raw<Absence>();
  /** Calls the newest connection. While there is none, calls fail with `rpc/closed`. */
  readonly service: Service;
  #current: Service | null = null;
  #waiting: (() => void)[] = [];
  #failures = 0;

  constructor(transport: Transport) {
    const call = (name: string, input: unknown, signal?: AbortSignal): unknown =>
      (this.#current as unknown as Record<string, Procedure>)[name]!(input, signal);
    this.service = Object.fromEntries(
      Object.keys(contract).map((name) => [
        name,
        (input: unknown, signal?: AbortSignal) => call(name, input, signal),
      ]),
    ) as unknown as Service;
    const reconnect = (): void => {
      const delay = Math.min(longestDelay, firstDelay * 2 ** this.#failures++);
      setTimeout(() => transport.reconnect?.(), delay);
    };
    transport.start(
      (channel) => {
        this.#current = transport.connect?.(channel) ?? connect(contract, channel);
        this.#failures = 0;
        this.absence = undefined;
        this.state = 'open';
        for (const resolve of this.#waiting.splice(0)) resolve();
        channel.onClose(() => {
          this.state = 'lost';
          reconnect();
        });
      },
      (error, absence) => {
        this.absence = absence;
        if (this.#current) {
          reconnect();
          return;
        }
        this.error = error;
        this.state = 'refused';
      },
    );
  }

  /** Resolves when the connection is open. */
  whenOpen(): Promise<void> {
    if (this.state === 'open') return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
