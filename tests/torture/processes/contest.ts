/** @file Several processes that contend for the same lock, round after round. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Contest, Result } from './contender.ts';

export interface Contenders {
  /** All processes contend at once. Returns what each of them reports. */
  contend(contest: Contest): Promise<readonly Result[]>;
  end(): void;
}

/** Starts `count` processes. */
export async function startContenders(count: number): Promise<Contenders> {
  const children = Array.from({ length: count }, () =>
    fork(join(import.meta.dirname, 'contender.ts'), [], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    }),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  const ask = async (child: ChildProcess, contest: Contest): Promise<Result> => {
    const answer = once(child, 'message');
    child.send(contest);
    return ((await answer) as [Result])[0];
  };
  return {
    contend: (contest) => Promise.all(children.map((child) => ask(child, contest))),
    end() {
      for (const child of children) child.kill();
    },
  };
}
