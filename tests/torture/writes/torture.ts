/** @file Replays recorded writes up to every power failure that they may meet, and reopens what is left. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import { deriveKey } from '../../../src-main/base/random.ts';
import { digestBytes } from '../operations/digest.ts';
import { operations, type Operation, type Place, type Progress } from '../operations/operation.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import { crashAt, nameOrders, survivals } from './crash.ts';
import type { RecordOrder } from './record.ts';
import { describeTree, readTree, type Inode, type Trace, type Tree } from './trace.ts';

/** Works that are recorded: the first, one in its place, and one more. */
const works = 3;
/** Training and downloads keep caches that this torture would replay for minutes. */
const recorded = ['lists', 'save', 'install', 'download', 'grow'];

async function recordTrace(operation: string, place: Place, scratch: string): Promise<Trace> {
  const trace = join(scratch, `${operation}.trace`);
  const order: RecordOrder = { operation, place, works, trace };
  const child = fork(join(import.meta.dirname, 'record.ts'), [JSON.stringify(order)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, VITEST: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error(`the recording of ${operation} ended with ${code}`);
  return deserialize(readFileSync(trace)) as Trace;
}

/** Writes a tree into a new folder. */
function writeTree(tree: Tree, dir: string): void {
  const write = (folder: Inode, path: string): void => {
    mkdirSync(path);
    for (const [name, inode] of tree.entries.get(folder)!) {
      const node = tree.nodes.get(inode)!;
      const child = join(path, name);
      if (node.kind === 'folder') write(inode, child);
      else if (node.kind === 'link') symlinkSync(node.target!, child);
      else writeFileSync(child, tree.contents.get(inode) ?? new Uint8Array());
    }
  };
  write(0, dir);
}

/** How far the work was before entry number `end`. */
function progressAt({ entries }: Trace, end: number): Progress {
  const last = { begun: 0, done: 0 };
  for (const entry of entries.slice(0, end))
    if (entry.type === 'begun' || entry.type === 'done') last[entry.type] = entry.n;
  return { ...last, completed: last.done, isTorn: true };
}

interface Tally {
  states: number;
  readonly failures: string[];
}

/** Checks the trees after a failure at every entry: the extreme ones, then random ones until `count` differ. */
async function checkCrashes(
  name: string,
  operation: Operation,
  trace: Trace,
  inputs: string,
  { count, seed, scratch, note }: TortureOptions,
): Promise<Tally> {
  const seen = new Set<string>();
  const tally: Tally = { states: 0, failures: [] };
  const check = async (end: number, choice: Parameters<typeof crashAt>[2]): Promise<void> => {
    const tree = crashAt(trace, end, choice);
    const progress = progressAt(trace, end);
    const description = `${progress.begun} ${progress.done} ${describeTree(tree, digestBytes)}`;
    if (seen.has(description)) return;
    seen.add(description);
    const root = join(scratch, `${name}-state-${seen.size}`);
    writeTree(tree, root);
    const wrong = await operation
      .check({ root, inputs }, progress)
      .catch((error: unknown) => [String(error)]);
    rmSync(root, { recursive: true, force: true });
    const how = `${choice.order} names, ${choice.survival}, key ${choice.key}`;
    for (const what of wrong) {
      tally.failures.push(`${name} before write ${end} (${how}): ${what}`);
      note(`✗ ${tally.failures.at(-1)!}`);
    }
  };
  const ends = trace.entries.map((_, i) => i + 1);
  for (const end of ends)
    for (const order of nameOrders)
      for (const survival of survivals) await check(end, { order, survival, key: 0 });
  // A state that was seen before counts as a try, so that few possible states do not try for ever.
  for (let n = 0; seen.size < count && n < 4 * count && tally.failures.length < 20; n++) {
    const order = nameOrders[n % nameOrders.length]!;
    await check(ends[n % ends.length]!, {
      order,
      survival: 'random',
      key: deriveKey(seed, 'crash', name, n),
    });
  }
  tally.states = seen.size;
  return tally;
}

async function run(options: TortureOptions): Promise<TortureReport> {
  const lines: string[] = [];
  const failures: string[] = [];
  for (const name of recorded.filter((each) => options.only.length === 0 || options.only.includes(each))) {
    const operation = await operations[name]!();
    const place: Place = {
      root: join(options.scratch, name),
      inputs: join(options.scratch, `${name}-inputs`),
    };
    for (const dir of [place.root, place.inputs]) mkdirSync(dir, { recursive: true });
    const end = await operation.prepare(place);
    try {
      const trace = await recordTrace(name, place, options.scratch);
      const whole = crashAt(trace, trace.entries.length, { order: 'ordered', survival: 'all', key: 0 });
      if (describeTree(whole, digestBytes) !== describeTree(readTree(place.root), digestBytes))
        failures.push(`${name}: the trace lacks some writes`);
      const tally = await checkCrashes(name, operation, trace, place.inputs, options);
      failures.push(...tally.failures);
      const syncs = trace.entries.filter(({ type }) => type === 'sync').length;
      lines.push(
        `${name}: ${tally.states} states of ${trace.entries.length} writes and names, ${syncs} syncs`,
      );
      options.note(lines.at(-1)!);
    } finally {
      await end?.();
    }
  }
  return { lines, failures };
}

export const writes: Torture = {
  promise:
    'After a power failure, what was reported as saved is there, and nothing half-written looks whole.',
  count: 3000,
  run,
};
