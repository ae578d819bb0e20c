/**
 * @file `node tests/bench/run.ts runs`: a year's runs, 500 with 100,000 steps each, opened as a list and as
 * charts; and one run of a million steps. In a process that has seen none of them.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
  cpSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainingDefaults } from '../../src-main/train/settings.ts';

/** A resting run of so many steps. */
function makeRun(dir: string, steps: number): void {
  mkdirSync(join(dir, 'checkpoints'), { recursive: true });
  writeFileSync(
    join(dir, 'settings.json'),
    JSON.stringify({
      version: 1,
      name: 'a run',
      created: '2026-01-01T00:00:00Z',
      checkpoint: '/x',
      data: ['/y'],
      settings: { ...trainingDefaults, tokens: steps * 2048 },
    }),
  );
  const file = openSync(join(dir, 'events.jsonl'), 'w');
  const say = (event: object): string => `${JSON.stringify(event)}\n`;
  let text = say({
    at: 'started',
    step: 0,
    device: 'cpu',
    deviceName: 'x',
    parameters: 1e6,
    steps,
    trainTokens: 1e9,
    heldOutTokens: 1e6,
    time: 'then',
  });
  for (let step = 1; step <= steps; step++) {
    text += say({
      at: 'step',
      step,
      lr: 3e-4,
      loss: 2 + 2 / Math.sqrt(step) + 0.1 * Math.sin(step * 12.9898),
      norm: 0.7,
      ratio: 1.2e-3,
      tokens: step * 2048,
      seconds: 0.21,
    });
    if (text.length > 1 << 20) {
      writeSync(file, text);
      text = '';
    }
  }
  writeSync(file, text + say({ at: 'stopped', step: steps, reason: 'finished', time: 'later' }));
  closeSync(file);
}

/** What the service does when a window opens: milliseconds for the list, and for one chart after it. */
const child = `
  import { readdirSync } from 'node:fs'; import { join } from 'node:path';
  import { runCard } from ${JSON.stringify(join(import.meta.dirname, '../../src-main/store/run/runs.ts'))};
  import { historyOf } from ${JSON.stringify(join(import.meta.dirname, '../../src-main/store/run/history.ts'))};
  const home = process.argv[1], dirs = readdirSync(home).map((name) => join(home, name));
  let worst = 0, last = performance.now();
  const timer = setInterval(() => { const now = performance.now(); worst = Math.max(worst, now - last - 5); last = now; }, 5);
  let began = performance.now(); const cards = await Promise.all(dirs.map((dir) => runCard(dir))); const list = performance.now() - began;
  began = performance.now(); const { events } = await historyOf(dirs[0]); const chart = performance.now() - began;
  began = performance.now(); const zoom = await historyOf(dirs[0], { from: Math.floor(cards[0].step / 2), to: Math.floor(cards[0].step / 2) + 999 }); const stretch = performance.now() - began;
  clearInterval(timer);
  console.log(JSON.stringify({ runs: cards.length, list, chart, events: events.length, stretch, steps: zoom.events.length, worst }));
`;
const open = (
  home: string,
): {
  runs: number;
  list: number;
  chart: number;
  events: number;
  stretch: number;
  steps: number;
  worst: number;
} => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', child, home], {
    encoding: 'utf8',
  });
  try {
    return JSON.parse(stdout) as never;
  } catch {
    throw new Error(stderr);
  }
};

export function benchRuns(): void {
  const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-runs-'));
  const ms = (n: number): string => `${n.toFixed(0)} ms`;
  const say = (what: string, o: ReturnType<typeof open>): void => {
    console.log(
      `  ${what.padEnd(44)} list ${ms(o.list)}, chart ${ms(o.chart)} (${o.events} events), a stretch of ${o.steps} steps ${ms(o.stretch)}; the longest wait for anything else ${ms(o.worst)}`,
    );
  };
  try {
    const year = join(scratch, 'year');
    const million = join(scratch, 'million');
    makeRun(join(million, 'run'), 1_000_000);
    console.log('\nRuns, opened by a process that has seen none of them');
    say('1 run, 1,000,000 steps, first time', open(million));
    say('the same, its digest kept', open(million));
    makeRun(join(year, 'run-000'), 100_000);
    open(year);
    // The other runs' lines are never read: files of the same length without content stand for them.
    for (let i = 1; i < 500; i++) {
      const dir = join(year, `run-${String(i).padStart(3, '0')}`);
      const size = statSync(join(year, 'run-000', 'events.jsonl')).size;
      mkdirSync(join(dir, 'checkpoints'), { recursive: true });
      for (const name of ['settings.json', 'digest.json', 'history.json'])
        cpSync(join(year, 'run-000', name), join(dir, name));
      writeFileSync(join(dir, 'events.jsonl'), '');
      truncateSync(join(dir, 'events.jsonl'), size);
    }
    say('500 runs of 100,000 steps', open(year));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
