/** @file Runs the fake engine in memory, in place of engine processes. */
import { createChannelPair } from '../../src-main/base/channel.ts';
import type { Device } from '../../src-main/contract/schema.ts';
import { engine } from '../../src-main/contract/engine.ts';
import { serve } from '../../src-main/contract/serve.ts';
import type { EngineProcess, Exit, Processes, SpawnOptions } from '../../src-main/service/engines.ts';
import { fakeEngine, type FakeBehavior } from './fake-engine.ts';

interface SpawnedEngine {
  readonly options: SpawnOptions;
  exited: boolean;
  killed: boolean;
}
export interface FakeProcesses extends Processes {
  /** Every engine that was started, in order. */
  readonly spawned: readonly SpawnedEngine[];
}

export interface FakeProcessOptions {
  /** Behavior of the next engine that is started. */
  readonly behavior?: () => FakeBehavior;
  readonly stepMs?: number;
  readonly exitDelayMs?: number;
  readonly devices?: readonly Device[];
}

/** Engines in memory. One that stalls or is deaf ends only when it is killed. */
export function fakeProcesses({
  behavior: nextBehavior = () => 'obey',
  stepMs = 1,
  exitDelayMs = 0,
  devices,
}: FakeProcessOptions = {}): FakeProcesses {
  const spawned: SpawnedEngine[] = [];
  return {
    spawned,
    spawn(options) {
      const [near, far] = createChannelPair();
      const record: SpawnedEngine = { options, exited: false, killed: false };
      const behavior = nextBehavior();
      spawned.push(record);
      let exit!: (exit: Exit) => void;
      const exited = new Promise<Exit>((resolve) => {
        exit = (how) => {
          record.exited = true;
          far.close();
          resolve(how);
        };
      });
      const serving = serve(
        engine,
        fakeEngine({ behavior, die: exit, stepMs, exitDelayMs, ...(devices ? { devices } : {}) }),
        far,
      );
      far.onClose(() => {
        if (behavior === 'deaf') return;
        const timer = setInterval(() => {
          if (serving.pending() > 0) return;
          clearInterval(timer);
          exit({ code: 0, signal: null, lines: '' });
        }, 2);
      });
      const process: EngineProcess = {
        ...near,
        terminate: () => undefined,
        kill() {
          record.killed = true;
          exit({ code: null, signal: 'SIGKILL', lines: '' });
        },
        exited,
      };
      return Promise.resolve(process);
    },
  };
}
