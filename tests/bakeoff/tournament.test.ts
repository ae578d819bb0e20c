/** @file Which probe is next: simulated bake-offs that are played to their end, task by task. */
import { describe, expect, it } from 'vitest';
import { candidatesAfter, planRungs, ratesAfter } from '../../src-main/bakeoff/halving.ts';
import {
  plannedTokens,
  standingOf,
  tokensDone,
  type Measurement,
  type Role,
  type Standing,
  type Task,
  type Tournament,
} from '../../src-main/bakeoff/tournament.ts';

const contender = (id: string, role: Role, equalFlopsTokens = 800) => ({ id, role, equalFlopsTokens });

const tournament: Tournament = {
  candidates: [
    ...['good', 'close', 'bad', 'awful'].map((id) => contender(id, 'grown')),
    contender('random', 'random'),
    contender('source', 'source', 2400),
  ],
  rates: [1e-4, 1e-3, 1e-2],
  seeds: [5, 6],
  rungs: [200, 400, 800],
};

/** Each candidate has its own best learning rate, which is not the same for all. */
const levels: Readonly<Record<string, { readonly loss: number; readonly best: number }>> = {
  good: { loss: 2, best: 1e-3 },
  close: { loss: 2.001, best: 1e-4 },
  bad: { loss: 2.5, best: 1e-3 },
  awful: { loss: 3, best: 1e-2 },
  random: { loss: 6, best: 1e-2 },
  source: { loss: 2.4, best: 1e-4 },
};

function measure({ candidate, lr, seed, tokens }: Task): Measurement {
  const { loss, best } = levels[candidate]!;
  const level = loss + 0.1 * Math.abs(Math.log10(lr / best)) - 1e-4 * tokens;
  const losses = Array.from(
    { length: 32 },
    (_, i) => level + Math.sin(i) + 0.003 * Math.sin(i * seed + loss),
  );
  return { candidate, lr, seed, tokens, losses };
}

/** Plays a tournament to its end. Each task is found anew from the measurements alone, as after a kill. */
function play(
  plan: Tournament,
  judge: (task: Task) => Measurement = measure,
): {
  readonly tasks: readonly Task[];
  readonly measurements: readonly Measurement[];
  readonly end: Standing;
} {
  const tasks: Task[] = [];
  const measurements: Measurement[] = [];
  for (let i = 0; i < 1000; i++) {
    const standing = standingOf(plan, JSON.parse(JSON.stringify(measurements)) as Measurement[]);
    if (!standing.task) return { tasks, measurements, end: standing };
    tasks.push(standing.task);
    measurements.push(judge(standing.task));
  }
  throw new Error('The tournament does not end.');
}

describe('a tournament', () => {
  const { tasks, measurements, end } = play(tournament);
  const probeTasks = (candidate: string, seed = 5): readonly (readonly [number, number])[] =>
    tasks
      .filter((task) => task.candidate === candidate && task.seed === seed)
      .map(({ lr, tokens }) => [lr, tokens]);

  it('finds the best learning rate of each candidate', () => {
    for (const id of end.finalists) expect(end.rates[id]).toBe(levels[id]!.best);
  });

  it('trains halves of the learning rates to twice the length', () => {
    expect(probeTasks('good')).toEqual([
      [1e-4, 200],
      [1e-3, 200],
      [1e-2, 200],
      [1e-3, 400],
      [1e-4, 400],
      [1e-3, 800],
    ]);
  });

  it('drops candidates of the worse half that are worse beyond doubt, and keeps random weights and the source', () => {
    expect(end.dropped).toEqual([
      { candidate: 'bad', tokens: 200, why: 'worse' },
      { candidate: 'awful', tokens: 200, why: 'worse' },
    ]);
    expect(end.finalists).toEqual(['good', 'close', 'random', 'source']);
  });

  it('trains every finalist with the other seeds at its best rate, and the source on to equal FLOPs', () => {
    expect(probeTasks('good', 6)).toEqual([[1e-3, 800]]);
    expect(probeTasks('source', 6)).toEqual([
      [1e-4, 800],
      [1e-4, 2400],
    ]);
    expect(probeTasks('bad', 6)).toEqual([]);
  });

  it('trains no probe twice, and each only forward', () => {
    const lengths = new Map<string, number>();
    for (const { candidate, lr, seed, tokens } of tasks) {
      const key = `${candidate} ${lr} ${seed}`;
      expect(tokens).toBeGreaterThan(lengths.get(key) ?? 0);
      lengths.set(key, tokens);
    }
    expect(tokensDone(measurements)).toBe([...lengths.values()].reduce((a, b) => a + b, 0));
  });

  it('takes as many tokens as planned: the least, because both candidates that could leave did', () => {
    const planned = plannedTokens(tournament);
    const low = planned.reduce((sum, one) => sum + one.low, 0);
    expect(tokensDone(measurements)).toBe(low);
    expect(planned.reduce((sum, one) => sum + one.high, 0)).toBeGreaterThan(low);
  });

  it('takes the most tokens where nobody leaves', () => {
    const planned = plannedTokens(tournament);
    const judged = play(tournament, (task) => ({
      ...measure({ ...task, candidate: 'good' }),
      candidate: task.candidate,
    }));
    expect(judged.end.dropped).toEqual([]);
    expect(tokensDone(judged.measurements)).toBe(planned.reduce((sum, one) => sum + one.high, 0));
  });
});

describe('probes that diverge', () => {
  const diverging =
    (isBad: (task: Task) => boolean) =>
    (task: Task): Measurement =>
      isBad(task) ? { ...measure(task), losses: null } : measure(task);

  it('lose against every other learning rate', () => {
    const { end } = play(
      tournament,
      diverging(({ candidate, lr }) => candidate === 'good' && lr === 1e-3),
    );
    expect(end.rates['good']).not.toBe(1e-3);
    expect(end.finalists).toContain('good');
  });

  it('drop a candidate that diverges with every learning rate, whatever it is', () => {
    for (const id of ['good', 'random', 'source']) {
      const { end } = play(
        tournament,
        diverging(({ candidate }) => candidate === id),
      );
      expect(end.dropped).toContainEqual({ candidate: id, tokens: 200, why: 'diverged' });
      expect(end.finalists).not.toContain(id);
    }
  });

  it('are not trained further with a later seed', () => {
    const { tasks } = play(
      tournament,
      diverging(({ candidate, seed }) => candidate === 'source' && seed === 6),
    );
    expect(tasks.filter(({ candidate, seed }) => candidate === 'source' && seed === 6)).toHaveLength(1);
  });
});

describe('rungs', () => {
  it('are as many as it takes to choose one rate and two candidates', () => {
    expect(planRungs(1000, 3, 2)).toEqual([250, 500, 1000]);
    expect(planRungs(1000, 1, 2)).toEqual([1000]);
    expect(planRungs(1000, 1, 4)).toEqual([500, 1000]);
    expect(planRungs(1000, 2, 9)).toEqual([125, 250, 500, 1000]);
  });

  it('leave one learning rate and at least two candidates, and end with the whole length', () => {
    for (let rates = 1; rates <= 16; rates++)
      for (let candidates = 1; candidates <= 12; candidates++) {
        const rungs = planRungs(1 << 12, rates, candidates);
        let left = rates;
        let field = candidates;
        for (let i = 1; i < rungs.length; i++) {
          left = ratesAfter(left);
          field = candidatesAfter(field);
        }
        expect([left, field, rungs.at(-1)]).toEqual([1, Math.min(2, candidates), 1 << 12]);
      }
  });

  it('are fewer where a probe has too few steps, and never equal', () => {
    expect(planRungs(3, 8, 2)).toEqual([1, 2, 3]);
    expect(planRungs(1, 8, 8)).toEqual([1]);
  });
});
