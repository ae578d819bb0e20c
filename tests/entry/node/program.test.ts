import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryOverrides } from '../../../src-main/contract/schema.ts';
import { flagOf } from '../../../src-main/entry/node/arguments.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import type { FakeBehavior } from '../../support/fake-engine.ts';
import {
  exampleCheckpoint,
  waitUntil,
  startTestService,
  type TestService,
} from '../../support/test-service.ts';
import { runCommand, type CommandResult, type RunCommandOptions } from './run-command.ts';

let app: TestService;
const start = (behavior: FakeBehavior = 'obey', stepMs = 1): void => {
  app = startTestService({ behavior: () => behavior, stepMs });
};
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const cambium = (argv: readonly string[], options?: RunCommandOptions): Promise<CommandResult> =>
  runCommand(app, argv, options);
const example = exampleCheckpoint;
const widen = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2'];

/** Runs a command and aborts it shortly after its engine has started. */
async function runAndCancel(argv: readonly string[]): Promise<CommandResult> {
  const controller = new AbortController();
  const work = cambium(argv, { signal: controller.signal });
  await waitUntil(() => app.processes.spawned.length > 0);
  setTimeout(() => {
    controller.abort();
  }, 50);
  return work;
}

describe('--help', () => {
  it.each([
    'search',
    'download',
    'push',
    'inspect',
    'plan',
    'grow',
    'verify',
    'train',
    'runs',
    'resume',
    'decay',
    'stop',
    'sample',
    'evaluate',
    'export',
    'devices',
    'doctor',
    'serve',
    'completion',
  ])('of %s has examples', async (command) => {
    start();
    const { code, out } = await cambium([command, '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--json');
    expect(out).toContain('Examples:\n  cambium');
  });

  it('of resume has a flag for every memory override', async () => {
    start();
    const { out } = await cambium(['resume', '--help']);
    const ids = Object.keys(memoryOverrides.shape);
    expect(ids).toHaveLength(5);
    for (const id of ids) expect(out).toContain(`${flagOf(id)} <`);
    expect(out).toContain('--activation-checkpointing <auto|off|attention|full>');
  });

  it('of plan describes every method with its options', async () => {
    start();
    const { out } = await cambium(['plan', '--help']);
    for (const { summary, options } of methods.values()) {
      expect(out).toContain(summary);
      for (const { id } of options) expect(out).toContain(`--option ${id}=`);
    }
  });
});

describe('--json', () => {
  it('prints the result as one object and nothing else', async () => {
    start();
    const { code, out, last } = await cambium(['inspect', example, '--json']);
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, 1]);
    expect(last()).toMatchObject({ dir: example, family: 'llama' });
    expect((await cambium(['inspect', example])).out).toContain('Family      Llama');
    expect((await cambium(['--version'])).out).toBe('1.2.3\n');
  });
});

describe('an invalid command line', () => {
  const train = ['train', example, '--data', 'x'];
  it.each([
    [['inspect', '/nowhere'], 1, 'file/not-found'],
    [['inspect'], 2, 'usage'],
    [['nonsense'], 2, 'usage'],
    [['inspect', example, '--nonsense'], 2, 'usage'],
    [['plan', example], 2, 'usage'],
    [['plan', example, '--method', 'hypercloning'], 2, 'usage'],
    [['plan', example, '--method', 'nonsense', '--times', 'hidden=2'], 2, 'usage'],
    [['plan', example, '--method', 'hypercloning', '--times', 'hidden'], 2, 'usage'],
    [['plan', example, '--method', 'hypercloning', '--times', 'hidden=2,hidden=3'], 2, 'usage'],
    [['plan', example, '--method', 'hypercloning', '--times', 'hidden=2', '--to', 'hidden=48'], 2, 'usage'],
    [['plan', example, '--method', 'hypercloning', '--to', 'hidden=1.5'], 2, 'usage'],
    [['plan', example, ...widen, '--option', 'noise'], 2, 'usage'],
    [['plan', example, ...widen, '--option', 'noise=loud'], 1, 'growth/bad-option'],
    [['plan', example, '--method', 'nope', '--times', 'hidden=2'], 2, 'usage'],
    [['plan', example, ...widen, '--seed', 'x'], 2, 'usage'],
    [['plan', example, ...widen, '--dtype', 'int8'], 2, 'usage'],
    [[...train, '--lr', 'fast'], 2, 'usage'],
    [[...train, '--micro-batch', '0'], 2, 'usage'],
    [[...train, '--micro-batch', '2', '--batch', '2'], 2, 'usage'],
    [[...train, '--schedule', 'zigzag'], 2, 'usage'],
    [[...train, '--device', 'tpu'], 2, 'usage'],
    [['train', example, '--data', '/nowhere.txt'], 1, 'file/not-found'],
    [['train', example], 2, 'usage'],
    [['resume', 'nothing'], 1, 'run/not-found'],
    [['resume', 'nothing', '--precision', 'int8'], 2, 'usage'],
    [['resume', 'nothing', '--context-length', '1'], 2, 'usage'],
    [['resume', 'nothing', '--rewarm-steps', '1', '--rewarm', '1'], 2, 'usage'],
    [['decay', 'nothing', '--steps', '5'], 1, 'run/not-found'],
    [['decay', 'nothing', '--steps', 'few'], 2, 'usage'],
    [['resume', 'nothing', '--tokens', 'many'], 2, 'usage'],
    [['sample', example, '--prompt', 'a', '--temperature', 'hot'], 2, 'usage'],
    [['evaluate', example], 2, 'usage'],
    [['evaluate', example, '--data', 'x', '--context-length', '1'], 2, 'usage'],
    [['evaluate', example, '--data', 'x', '--batch-size', '8', '--batch', '8'], 2, 'usage'],
    [['serve', '--port', 'x'], 2, 'usage'],
    [['demo', '--tokens', '0', '--out', '/nowhere/demo'], 2, 'usage'],
    [['serve', '--stop', '--host', 'gpu'], 2, 'usage'],
    [['--host', 'gpu', 'demo'], 2, 'usage'],
    [['--host', 'gpu', 'gpu', 'install'], 2, 'usage'],
    [['--host', 'gpu', 'gpu', 'install', '--from', 'x.whl'], 2, 'usage'],
    [['--host', 'gpu', 'gpu', 'install', '--index', 'http://127.0.0.1:9/'], 1, 'remote/not-found'],
    [['--host', 'gpu', '--place', 'gpu', 'runs'], 2, 'usage'],
  ] as const)('%j has exit code %d, with a sentence and an object', async (argv, code, name) => {
    start();
    const human = await cambium(argv);
    const json = await cambium([...argv, '--json']);
    expect([human.code, json.code]).toEqual([code, code]);
    expect(human.out).toBe('');
    expect(human.err.trim().split('\n').length).toBeGreaterThanOrEqual(2);
    expect(json.last()).toMatchObject({
      error: { code: name, message: expect.any(String) as string, remedy: expect.any(String) as string },
    });
  });
});

describe('names of the last release', () => {
  const remote = { name: 'gpu', target: 'me@10.0.0.7', command: 'cambium' };

  it('place is host', async () => {
    start();
    const { name, target } = remote;
    expect((await cambium(['place', 'add', name, target, '--json'])).last()).toEqual({ hosts: [remote] });
    expect((await cambium(['host', 'list', '--json'])).last()).toEqual({ hosts: [remote] });
    expect((await cambium(['place', 'remove', name, '--json'])).last()).toEqual({ hosts: [] });
  });

  it.each(['--host', '--place'])('%s runs a command on a remote host', async (flag) => {
    start();
    const { last } = await cambium([flag, 'nowhere', 'runs', '--json']);
    expect(last()).toMatchObject({ error: { code: 'remote/not-found' } });
  });

  it('are not in the help', async () => {
    start();
    const { out } = await cambium(['--help']);
    expect(out).toContain('--host <name>');
    expect(out).not.toMatch(/\bplace\b/);
  });

  it('evaluate accepts --sequence and --batch', async () => {
    start();
    const flags = ['--sequence', '8', '--batch', '1', '--json'];
    const { last } = await cambium(['evaluate', example, '--data', app.textFile, ...flags]);
    expect(last()).toMatchObject({ bitsPerByte: 1 });
  });
});

describe('plan', () => {
  it('prints a table with one row for equal layers, and the promise', async () => {
    start();
    const { out } = await cambium(['plan', example, ...widen]);
    const row =
      /model\.layers\.\*\.mlp\.down_proj\.weight +\d+ +\[\d+, \d+\] +\[\d+, \d+\] +[\d.]+ kB +[\d.]+ kFLOP +× 0\.5/;
    expect(out).toMatch(row);
    expect(out).toMatch(/Promise +function-preserving/);
  });

  it('reads the options of the method', async () => {
    start();
    const { last } = await cambium(['plan', example, ...widen, '--option', 'noise=none', '--json']);
    const stages = [{ request: { options: { noise: null } } }];
    expect(last()).toMatchObject({ format: 'cambium-plan', stages });
  });
});

describe('grow', () => {
  it('prints progress and the result', async () => {
    start();
    const grow = ['grow', example, ...widen, '--out', join(app.dir, 'grown'), '--json'];
    const { code, last, err } = await cambium(grow);
    expect(code).toBe(0);
    expect(last()).toMatchObject({ type: 'done', certificate: { verdict: 'passed' } });
    expect(err).toContain('Growing');
    expect((await cambium(grow)).last()).toMatchObject({ error: { code: 'file/exists' } });
  });

  it('leaves no files when it is cancelled, with exit code 130', async () => {
    start('stall');
    const { code, last } = await runAndCancel([
      ...['grow', example, ...widen],
      ...['--out', join(app.dir, 'grown'), '--json'],
    ]);
    expect(code).toBe(130);
    expect(last()).toMatchObject({ error: { code: 'cancelled' } });
    expect(readdirSync(app.dir).filter((name) => name.includes('grown'))).toEqual([]);
  });
});

describe('demo', () => {
  it('leaves no files when it is cancelled', async () => {
    start('stall');
    const out = join(app.dir, 'demo');
    const { code, last } = await runAndCancel(['demo', '--out', out, '--json']);
    expect(code).toBe(130);
    expect(last()).toMatchObject({ error: { code: 'cancelled' } });
    expect(existsSync(out)).toBe(false);
  });
});

describe('train', () => {
  it('is stopped and saved by Ctrl+C; resume continues, extends, and refuses less', async () => {
    start('obey', 4);
    const run = join(app.dir, 'run');
    const errorOf = async (...argv: readonly string[]): Promise<unknown> =>
      (await cambium([...argv, '--json'])).last()['error'];
    const controller = new AbortController();
    const files = ['--data', app.textFile, '--out', run];
    const length = ['--tokens', '500', '--micro-batch', '1', '--context-length', '10', '--save-every', '7'];
    const work = cambium(['train', example, ...files, ...length, '--json'], { signal: controller.signal });
    await waitUntil(() =>
      app.service.api.run({ id: run }).then(
        ({ step }) => step >= 5,
        () => false,
      ),
    );
    controller.abort();
    const stopped = await work;
    expect(stopped.code).toBe(130);
    expect(stopped.last()).toMatchObject({ state: 'paused', settings: { saveEvery: 7, tokens: 500 } });
    const listed = (await cambium(['runs', '--json'])).last();
    expect(listed).toMatchObject({ runs: [{ state: 'paused', dir: run }] });

    const resumed = await cambium(['resume', run, '--json']);
    expect(resumed.code).toBe(0);
    expect(resumed.last()).toMatchObject({ state: 'finished', step: 50 });
    expect(await errorOf('stop', run)).toMatchObject({ code: 'run/not-running' });
    expect(await errorOf('decay', run)).toMatchObject({ code: 'run/finished' });
    expect(await errorOf('resume', run, '--tokens', '500')).toMatchObject({ code: 'run/fewer-tokens' });
    expect((await cambium(['runs'])).out).toContain('finished');
    const exported = ['export', run, '--out', join(app.dir, 'x'), '--weights', 'raw', '--json'];
    expect((await cambium(exported)).last()).toMatchObject({ type: 'done' });
    const file = ['export', run, '--out', join(app.dir, 'y')];
    expect(await errorOf(...file, '--type', 'q8_0')).toMatchObject({ code: 'usage' });
    expect(await errorOf(...file, '--format', 'gguf', '--dtype', 'float16')).toMatchObject({ code: 'usage' });
    const asGguf = await cambium([...file, '--format', 'gguf', '--type', 'q8_0', '--json']);
    expect(asGguf.last()).toMatchObject({ type: 'done' });

    const extended = await cambium(['resume', run, '--tokens', '620', '--rewarm-steps', '3', '--json']);
    const phases = [
      { from: 0, until: 50 },
      { from: 50, until: 62, warmupSteps: 3 },
    ];
    expect(extended.last()).toMatchObject({ state: 'finished', step: 62, settings: { phases } });
  });
});

it.each([
  ['die', 'engine/crashed'],
  ['full', 'engine/out-of-memory'],
  ['refuse', 'engine/no-device'],
] as const)('reports the error of an engine that fails (%s)', async (behavior, name) => {
  start(behavior);
  for (const argv of [
    ['devices'],
    ['sample', example, '--prompt', 'a'],
    ['evaluate', example, '--data', app.textFile],
    ['verify', example, example],
  ]) {
    const { code, last } = await cambium([...argv, '--json']);
    expect(code).toBe(1);
    expect(last()).toMatchObject({ error: { code: name } });
  }
});

it('sample prints the text as it is generated', async () => {
  start();
  const sample = ['sample', example, '--prompt', 'a', '--tokens'];
  expect((await cambium([...sample, '3'])).out).toBe('a a0 a1 a2\n');
  const { last } = await cambium([...sample, '2', '--json']);
  expect(last()).toMatchObject({ prompt: 'a', text: ' a0 a1', tokens: 2 });
});

it('evaluate, devices and verify print their results', async () => {
  start();
  const evaluated = await cambium(['evaluate', example, '--data', app.textFile, '--json']);
  expect(evaluated.last()).toMatchObject({ bitsPerByte: 1 });
  expect((await cambium(['evaluate', example, '--data', app.textFile])).out).toContain(
    'on 4 tokens (12 B) of 2 documents, 256 at a time, cpu\nLeft out: 1 record without the field.',
  );
  expect((await cambium(['devices'])).out).toContain('Fake processor');
  const verified = await cambium(['verify', example, example, '--json']);
  expect(verified.last()).toMatchObject({ verdict: 'passed' });
});

it('serve runs until it is asked to end', async () => {
  start();
  const controller = new AbortController();
  const work = cambium(['serve', '--json'], { signal: controller.signal });
  setTimeout(() => {
    controller.abort();
  }, 200);
  const { code, last } = await work;
  expect(code).toBe(0);
  expect(last()['address']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=/);
});
