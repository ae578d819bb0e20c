import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../../src-main/entry/node/program.ts';
import { memoryOverrides as spare } from '../../../src-main/contract/schema.ts';
import { trainingOptions } from '../../../src-main/train/settings.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import type { FakeBehavior } from '../../support/fake-engine.ts';
import { exampleCheckpoint, waitUntil, startTestService, type TestService } from '../../support/test-service.ts';

let place: TestService;
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});

/** One command line against a fake engine: exit code, standard output and error. */
async function cambium(
  argv: readonly string[],
  { signal = new AbortController().signal, isTTY = false } = {},
): Promise<{ code: number; out: string; err: string; last: () => Record<string, unknown> }> {
  let out = '';
  let err = '';
  const code = await runProgram(argv, {
    version: '1.2.3',
    signal,
    pages: place.dir,
    browser: null,
    start: () => place.restart(),
    streams: {
      out: {
        write: (text) => {
          out += text;
        },
      },
      err: {
        isTTY,
        columns: 100,
        write: (text) => {
          err += text;
        },
      },
    },
  });
  return {
    code,
    out,
    err,
    last: () => JSON.parse(out.trimEnd().split('\n').at(-1)!) as Record<string, unknown>,
  };
}
const begin = (mood: FakeBehavior = 'obey', pace = 1): void => {
  place = startTestService({ behavior: () => mood, stepMs: pace });
};
const sized = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2'];

describe('command line', () => {
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
  ])('%s explains itself with examples', async (command) => {
    begin();
    const { code, out } = await cambium([command, '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--json');
    expect(out).toContain('Examples:\n  cambium');
  });

  it('has a flag for every setting of training, and every method in its help', async () => {
    begin();
    const { out } = await cambium(['train', '--help']);
    for (const { id } of trainingOptions)
      expect(out).toContain(`--${id.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} <`);
    const resume = await cambium(['resume', '--help']);
    const sparing = trainingOptions.filter(({ id }) => id in spare.shape);
    expect(sparing).toHaveLength(5);
    for (const option of sparing)
      expect(resume.out).toContain(
        `--${option.id} <${option.kind === 'choice' ? `${option.choices.map((c) => c.value).join('|')}>` : ''}`,
      );
    const plan = await cambium(['plan', '--help']);
    for (const method of methods.values()) {
      expect(plan.out).toContain(method.summary);
      for (const option of method.options) expect(plan.out).toContain(`--option ${option.id}=`);
    }
  });

  it('gives the result as one object in the last line with --json, and nothing else', async () => {
    begin();
    const { code, out, last } = await cambium(['inspect', exampleCheckpoint, '--json']);
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, 1]);
    expect(last()).toMatchObject({ dir: exampleCheckpoint, family: 'llama' });
    expect((await cambium(['inspect', exampleCheckpoint])).out).toContain('Family      Llama');
    expect((await cambium(['--version'])).out).toBe('1.2.3\n');
  });

  it.each([
    [['inspect', '/nowhere'], 1, 'file/not-found'],
    [['inspect'], 2, 'usage'],
    [['nonsense'], 2, 'usage'],
    [['inspect', exampleCheckpoint, '--nonsense'], 2, 'usage'],
    [['plan', exampleCheckpoint], 2, 'usage'],
    [['plan', exampleCheckpoint, '--method', 'hypercloning'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--method', 'nonsense', '--times', 'hidden=2'], 1, 'growth/unknown-method'],
    [['plan', exampleCheckpoint, '--method', 'hypercloning', '--times', 'hidden'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--method', 'hypercloning', '--times', 'hidden=2,hidden=3'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--method', 'hypercloning', '--times', 'hidden=2', '--to', 'hidden=48'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--method', 'hypercloning', '--to', 'hidden=1.5'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...sized, '--option', 'noise'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...sized, '--option', 'noise=loud'], 1, 'growth/bad-option'],
    [['plan', exampleCheckpoint, ...sized, '--seed', 'x'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...sized, '--dtype', 'int8'], 2, 'usage'],
    [['train', exampleCheckpoint, '--data', 'x', '--lr', 'fast'], 2, 'usage'],
    [['train', exampleCheckpoint, '--data', 'x', '--batch', '0'], 2, 'usage'],
    [['train', exampleCheckpoint, '--data', 'x', '--schedule', 'zigzag'], 2, 'usage'],
    [['train', exampleCheckpoint, '--data', '/nowhere.txt'], 1, 'file/not-found'],
    [['train', exampleCheckpoint], 2, 'usage'],
    [['resume', 'nothing'], 1, 'run/not-found'],
    [['resume', 'nothing', '--precision', 'int8'], 2, 'usage'],
    [['resume', 'nothing', '--sequence', '1'], 2, 'usage'],
    [['decay', 'nothing', '--steps', '5'], 1, 'run/not-found'],
    [['decay', 'nothing', '--steps', 'few'], 2, 'usage'],
    [['resume', 'nothing', '--tokens', 'many'], 2, 'usage'],
    [['sample', exampleCheckpoint, '--prompt', 'a', '--temperature', 'hot'], 2, 'usage'],
    [['serve', '--port', 'x'], 2, 'usage'],
    [['demo', '--tokens', '0', '--out', '/nowhere/demo'], 2, 'usage'],
    [['serve', '--stop', '--place', 'box'], 2, 'usage'],
    [['--place', 'box', 'demo'], 2, 'usage'],
    [['--place', 'box', 'gpu', 'install'], 2, 'usage'],
    [['--place', 'box', 'gpu', 'install', '--from', 'x.whl'], 2, 'usage'],
    [['--place', 'box', 'gpu', 'install', '--index', 'http://127.0.0.1:9/'], 1, 'remote/not-found'],
  ] as const)('refuses %j with exit code %d, in words and as an object', async (argv, code, name) => {
    begin();
    const human = await cambium(argv);
    const json = await cambium([...argv, '--json']);
    expect([human.code, json.code]).toEqual([code, code]);
    expect(human.out).toBe('');
    expect(human.err.trim().split('\n').length).toBeGreaterThanOrEqual(2);
    expect(json.last()).toMatchObject({
      error: { code: name, message: expect.any(String) as string, remedy: expect.any(String) as string },
    });
  });

  it('shows a plan as a table: equal layers as one row, shapes, factors, promise', async () => {
    begin();
    const { out } = await cambium(['plan', exampleCheckpoint, ...sized]);
    expect(out).toMatch(/model\.layers\.\*\.mlp\.down_proj\.weight +\d+ +\[\d+, \d+\] +\[\d+, \d+\] +× 0\.5/);
    expect(out).toMatch(/Promise +exact/);
    expect(
      (await cambium(['plan', exampleCheckpoint, ...sized, '--option', 'noise=none', '--json'])).last(),
    ).toMatchObject({ format: 'cambium-plan', stages: [{ request: { options: { noise: null } } }] });
  });

  it('grows with progress beside the result', async () => {
    begin();
    const { code, last, err } = await cambium([
      'grow',
      exampleCheckpoint,
      ...sized,
      '--out',
      join(place.dir, 'grown'),
      '--json',
    ]);
    expect(code).toBe(0);
    expect(last()).toMatchObject({ type: 'done', certificate: { passed: true } });
    expect(err).toContain('Growing');
    expect(
      (await cambium(['grow', exampleCheckpoint, ...sized, '--out', join(place.dir, 'grown'), '--json'])).last(),
    ).toMatchObject({ error: { code: 'file/exists' } });
  });

  it('ends with 130 and nothing left when it is cancelled', async () => {
    begin('stall');
    const stop = new AbortController();
    const out = join(place.dir, 'grown');
    const work = cambium(['grow', exampleCheckpoint, ...sized, '--out', out, '--json'], { signal: stop.signal });
    await waitUntil(() => place.processes.spawned.length > 0);
    setTimeout(() => {
      stop.abort();
    }, 50);
    const { code, last } = await work;
    expect(code).toBe(130);
    expect(last()).toMatchObject({ error: { code: 'cancelled' } });
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(place.dir).filter((name) => name.includes('grown'))).toEqual([]);
  });

  it('a demo that is cancelled leaves nothing, so that it can be started again', async () => {
    begin('stall');
    const stop = new AbortController();
    const out = join(place.dir, 'demo');
    const work = cambium(['demo', '--out', out, '--json'], { signal: stop.signal });
    await waitUntil(() => place.processes.spawned.length > 0);
    setTimeout(() => {
      stop.abort();
    }, 50);
    const { code, last } = await work;
    expect([code, last()]).toMatchObject([130, { error: { code: 'cancelled' } }]);
    expect(existsSync(out)).toBe(false);
  });

  it('trains, is stopped by Ctrl+C with everything saved, resumes, finishes', async () => {
    begin('obey', 4);
    const run = join(place.dir, 'run');
    const stop = new AbortController();
    const work = cambium(
      [
        'train',
        exampleCheckpoint,
        '--data',
        place.textFile,
        '--out',
        run,
        '--tokens',
        '500',
        '--batch',
        '1',
        '--sequence',
        '10',
        '--save-every',
        '7',
        '--json',
      ],
      { signal: stop.signal },
    );
    await waitUntil(async () =>
      place.service.api.run({ id: run }).then(
        (c) => c.step >= 5,
        () => false,
      ),
    );
    stop.abort();
    const first = await work;
    expect(first.code).toBe(130);
    expect(first.last()).toMatchObject({ state: 'paused', settings: { saveEvery: 7, tokens: 500 } });
    expect((await cambium(['runs', '--json'])).last()).toMatchObject({
      runs: [{ state: 'paused', dir: run }],
    });
    const second = await cambium(['resume', run, '--json']);
    expect(second.code).toBe(0);
    expect(second.last()).toMatchObject({ state: 'finished', step: 50 });
    expect((await cambium(['stop', run, '--json'])).last()).toMatchObject({
      error: { code: 'run/not-running' },
    });
    expect(
      (await cambium(['export', run, '--out', join(place.dir, 'x'), '--weights', 'raw', '--json'])).last(),
    ).toMatchObject({ type: 'done' });
    expect((await cambium(['runs'])).out).toContain('finished');
    expect((await cambium(['decay', run, '--json'])).last()).toMatchObject({
      error: { code: 'run/finished' },
    });
    expect((await cambium(['resume', run, '--tokens', '500', '--json'])).last()).toMatchObject({
      error: { code: 'run/fewer-tokens' },
    });
    expect(
      (await cambium(['resume', run, '--tokens', '620', '--rewarm', '3', '--json'])).last(),
    ).toMatchObject({
      state: 'finished',
      step: 62,
      settings: {
        phases: [
          { from: 0, until: 50 },
          { from: 50, until: 62, warmupSteps: 3 },
        ],
      },
    });
  });

  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
    ['refuse', 'engine/no-device'],
  ] as const)('says what happened to its engine (%s)', async (mood, name) => {
    begin(mood);
    for (const argv of [
      ['devices'],
      ['sample', exampleCheckpoint, '--prompt', 'a'],
      ['evaluate', exampleCheckpoint, '--data', place.textFile],
      ['verify', exampleCheckpoint, exampleCheckpoint],
    ]) {
      const { code, last } = await cambium([...argv, '--json']);
      expect([code, (last()['error'] as { code: string }).code]).toEqual([1, name]);
    }
  });

  it('samples as it goes, evaluates, lists devices', async () => {
    begin();
    expect((await cambium(['sample', exampleCheckpoint, '--prompt', 'a', '--tokens', '3'])).out).toBe('a a0 a1 a2\n');
    expect(
      (await cambium(['sample', exampleCheckpoint, '--prompt', 'a', '--tokens', '2', '--json'])).last(),
    ).toMatchObject({ prompt: 'a', text: ' a0 a1', tokens: 2 });
    expect((await cambium(['evaluate', exampleCheckpoint, '--data', place.textFile, '--json'])).last()).toMatchObject({
      bitsPerByte: 1,
    });
    expect((await cambium(['devices'])).out).toContain('Fake processor');
    expect((await cambium(['verify', exampleCheckpoint, exampleCheckpoint, '--json'])).last()).toMatchObject({ passed: true });
  });

  it('serves until it is asked to end', async () => {
    begin();
    const stop = new AbortController();
    const work = cambium(['serve', '--json'], { signal: stop.signal });
    setTimeout(() => {
      stop.abort();
    }, 200);
    const { code, last } = await work;
    expect(code).toBe(0);
    expect(last()['address']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=/);
  });
});
