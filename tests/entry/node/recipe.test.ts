/**
 * @file Recipes and plans from the command line: stages by flags and files, plans kept, compared, refused
 * where they do not belong, runs as sources.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../../src-main/entry/node/program.ts';
import type { SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { exampleCheckpoint, startTestService, type TestService } from '../../support/test-service.ts';

let place: TestService;
beforeEach(() => {
  place = startTestService();
});
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});

async function cambium(
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string; last: <T = Record<string, unknown>>() => T }> {
  let out = '';
  let err = '';
  const code = await runProgram(argv, {
    version: '1.2.3',
    signal: new AbortController().signal,
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
        write: (text) => {
          err += text;
        },
      },
    },
  });
  return { code, out, err, last: <T>() => JSON.parse(out.trimEnd().split('\n').at(-1)!) as T };
}
const at = (name: string): string => join(place.dir, name);
const first = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2', '--seed', '5'];
const planned = async (...argv: readonly string[]): Promise<SavedPlan> =>
  (await cambium('plan', exampleCheckpoint, ...argv, '--json')).last<SavedPlan>();

describe('stages', () => {
  it('--then adds one on what the one before makes', async () => {
    const { stages } = await planned(
      ...first,
      '--then',
      'identity',
      'layers=x2',
      '--then',
      'vocab',
      'multiple=64',
      'seed=9',
    );
    expect(stages.map((s) => [s.request.method, s.request.seed])).toEqual([
      ['hypercloning', 5],
      ['identity', 5],
      ['vocab', 9],
    ]);
    expect(stages.map((s) => [s.to['hidden'], s.to['layers'], s.to['vocab']])).toEqual([
      [48, 2, 37],
      [48, 4, 37],
      [48, 4, 64],
    ]);
    expect(
      (await planned(...first, '--then', 'net2net ffn=90 noise=none identity layers=3')).stages.map((s) => [
        s.request.method,
        s.to['ffn'],
        s.to['layers'],
        s.request.options['noise'],
      ]),
    ).toEqual([
      ['hypercloning', 80, 2, 10],
      ['net2net', 90, 2, null],
      ['identity', 90, 3, undefined],
    ]);
  });

  it('a recipe file gives them all', async () => {
    writeFileSync(
      at('recipe.json'),
      JSON.stringify({
        stages: [
          { method: 'hypercloning', times: { hidden: 2, ffn: 2 }, seed: 5 },
          { method: 'identity', times: { layers: 2 } },
          { method: 'vocab', options: { multiple: 64 } },
        ],
      }),
    );
    expect((await planned('--recipe', at('recipe.json'))).stages).toEqual(
      (await planned(...first, '--then', 'identity', 'layers=4', 'vocab', 'multiple=64')).stages,
    );
  });

  it('are shown one after the other, and as a whole', async () => {
    const { out } = await cambium('plan', exampleCheckpoint, ...first, '--then', 'stack', 'layers=x2');
    expect(out).toMatch(/Stage 1: hypercloning, .*hidden 24 → 48.*; exact/);
    expect(out).toMatch(/Stage 2: stack, layers 2 → 4; approximate/);
    expect(out).toMatch(/Sizes +.*hidden 24 → 48.*layers 2 → 4/);
    expect(out).toMatch(/Promise +approximate/);
  });

  it.each([
    [['plan', exampleCheckpoint, ...first, '--then', 'layers=4'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...first, '--then', 'nonsense'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...first, '--then', 'identity'], 2, 'usage'],
    [['plan', exampleCheckpoint, ...first, '--then', 'identity', 'layers=1'], 1, 'growth/smaller'],
    [['plan', exampleCheckpoint, ...first, '--recipe', 'x.json'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--recipe', '/nowhere.json'], 1, 'file/not-found'],
    [['plan', '--method', 'identity', '--to', 'layers=4'], 2, 'usage'],
    [['plan', exampleCheckpoint, '--from-run', 'x', '--method', 'identity', '--to', 'layers=4'], 2, 'usage'],
    [['grow', exampleCheckpoint, '--plan', 'x', ...first, '--out', '/nowhere/x'], 2, 'usage'],
    [['plan', '--from-run', '/nowhere', '--method', 'identity', '--to', 'layers=4'], 1, 'file/not-found'],
  ] as const)('%j is refused', async (argv, code, error) => {
    const done = await cambium(...argv, '--json');
    expect([done.code, done.last<{ error: { code: string } }>().error.code]).toEqual([code, error]);
  });

  it.each([
    [[]],
    [{ stages: [{ to: { layers: 4 } }] }],
    [[{ method: 'identity', to: { layers: 4 }, speed: 2 }]],
    [[{ method: 'identity', to: { layers: 'four' } }]],
  ])('the recipe %j is refused', async (recipe) => {
    writeFileSync(at('recipe.json'), JSON.stringify(recipe));
    expect((await cambium('plan', exampleCheckpoint, '--recipe', at('recipe.json'), '--json')).last()).toMatchObject({
      error: { code: 'file/bad-json' },
    });
  });

  it.each([
    [{ method: 'identity', to: { layers: 4 }, dtype: 'int8' }, 'dtype'],
    [{ method: 'identity', to: { layers: 4 }, seed: -1 }, 'seed'],
    [{ method: 'identity', to: { layers: 4 }, seed: '5' }, 'seed'],
    [{ method: 'identity', to: { layers: 4.5 } }, 'to.layers'],
    [{ method: 'identity', to: 4 }, 'to'],
    [{ method: 'identity', times: { layers: 0 } }, 'times.layers'],
    [{ method: 'vocab', options: { multiple: [64] } }, 'options.multiple'],
    [{ method: 'vocab', options: 'multiple=64' }, 'options'],
  ])('a recipe whose second stage is %j is refused with the field %s', async (stage, field) => {
    writeFileSync(
      at('recipe.json'),
      JSON.stringify([{ method: 'hypercloning', times: { hidden: 2, ffn: 2 } }, stage]),
    );
    const { last } = await cambium('plan', exampleCheckpoint, '--recipe', at('recipe.json'), '--json');
    expect(last()).toMatchObject({
      error: { code: 'file/bad-json', message: expect.stringContaining(`stage 2: ${field}: `) as string },
    });
  });
});

describe('plans', () => {
  it('are kept, carried out again, and shown', async () => {
    const { code, out } = await cambium(
      'plan',
      exampleCheckpoint,
      ...first,
      '--then',
      'identity',
      'layers=4',
      '--save',
      at('plan.json'),
    );
    expect([code, out.includes(`Saved        ${at('plan.json')}`)]).toEqual([0, true]);
    const saved = JSON.parse(readFileSync(at('plan.json'), 'utf8')) as SavedPlan;
    expect(saved).toEqual(await planned(...first, '--then', 'identity', 'layers=4'));
    expect(saved.source.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect((await cambium('plan', exampleCheckpoint, '--plan', at('plan.json'))).out).toContain(
      'hypercloning + identity',
    );
    const grown = await cambium('grow', exampleCheckpoint, '--plan', at('plan.json'), '--out', at('grown'), '--json');
    expect([grown.code, grown.last()['dir']]).toEqual([0, at('grown')]);
    expect(
      (await cambium('plan', exampleCheckpoint, ...first, '--save', at('plan.json'), '--json')).last(),
    ).toMatchObject({ error: { code: 'file/exists' } });
  });

  it('of another source are refused with what differs', async () => {
    await cambium('plan', exampleCheckpoint, ...first, '--save', at('plan.json'));
    cpSync(exampleCheckpoint, at('other'), { recursive: true });
    const config = JSON.parse(readFileSync(join(at('other'), 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    writeFileSync(join(at('other'), 'config.json'), JSON.stringify({ ...config, rms_norm_eps: 0.5 }));
    for (const command of [['plan'], ['grow', '--out', at('grown')]] as const) {
      const { code, last, err } = await cambium(
        command[0],
        at('other'),
        '--plan',
        at('plan.json'),
        ...command.slice(1),
        '--json',
      );
      expect([code, last<{ error: { code: string } }>().error.code, err]).toEqual([
        1,
        'growth/other-source',
        expect.stringContaining('rms_norm_eps of config.json is'),
      ]);
    }
    writeFileSync(at('plan.json'), '{ "format": "cambium-plan", "version": 7 }');
    expect(
      (await cambium('grow', exampleCheckpoint, '--plan', at('plan.json'), '--out', at('grown'), '--json')).last(),
    ).toMatchObject({ error: { code: 'growth/bad-plan' } });
  });

  it('are compared', async () => {
    await cambium('plan', exampleCheckpoint, ...first, '--save', at('a.json'));
    await cambium(
      'plan',
      exampleCheckpoint,
      '--method',
      'hypercloning',
      '--times',
      'hidden=2,ffn=3',
      '--seed',
      '6',
      '--save',
      at('b.json'),
    );
    const { out } = await cambium('plan', 'diff', at('a.json'), at('b.json'));
    expect(out).toMatch(/Stage 1 +seed +5 +6/);
    expect(out).toMatch(/Stage 1 +ffn after +80 +120/);
    expect(out).toMatch(/model\.layers\.\*\.mlp\.down_proj\.weight: factors \(2 weights\)/);
    expect((await cambium('plan', 'diff', at('a.json'), at('a.json'))).out).toContain(
      'The two plans are the same',
    );
    expect((await cambium('plan', 'diff', at('a.json'), at('b.json'), '--json')).last()).toMatchObject({
      equal: false,
      differences: expect.arrayContaining([
        { where: 'Stage 1', what: 'seed', first: '5', second: '6' },
      ]) as object,
    });
  });
});
