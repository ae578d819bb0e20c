/** @file Trains runs in engine processes that tests can kill. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createChildChannel } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine, type Engine } from '../../../src-main/contract/engine.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';

const main = join(import.meta.dirname, '../../../src-main/engine/main.ts');
const started = new Set<ChildProcess>();
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
});

export interface EngineProcess {
  readonly child: ChildProcess;
  readonly api: Engine;
  readonly exit: Promise<readonly [code: number | null, signal: string | null]>;
}
export function startEngine(environment: NodeJS.ProcessEnv = {}): EngineProcess {
  const child = fork(main, [], {
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, CAMBIUM_DETACHED: '', ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  started.add(child);
  const exit = once(child, 'exit').then(([code, signal]) => {
    started.delete(child);
    return [code as number | null, signal as string | null] as const;
  });
  return { child, api: connect(engine, createChildChannel(child)), exit };
}

/** Trains a run in an engine process and calls `onEvent` after each event. Rejects if the process dies. */
export async function trainIn(
  { api }: EngineProcess,
  run: string,
  onEvent: (event: RunEvent) => void = () => undefined,
): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of api.train({ run })) {
    events.push(event);
    onEvent(event);
  }
  return events;
}
