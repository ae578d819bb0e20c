/** @file Stages from flags and recipe files, and saved plans, through the commands plan and grow. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { exampleCheckpoint, startTestService, type TestService } from '../../support/test-service.ts';
import { runCommand, type CommandResult } from './run-command.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const cambium = (...argv: readonly string[]): Promise<CommandResult> => runCommand(app, argv);
const pathOf = (name: string): string => join(app.dir, name);
const writeJson = (name: string, value: unknown): string => {
  writeFileSync(pathOf(name), JSON.stringify(value));
  return pathOf(name);
};
const widen = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=2', '--seed', '5'];
const plan = (...argv: readonly string[]): Promise<CommandResult> =>
  cambium('plan', exampleCheckpoint, ...argv);
const createPlan = async (...argv: readonly string[]): Promise<SavedPlan> =>
  (await plan(...argv, '--json')).last<SavedPlan>();

describe('--then', () => {
  it('adds stages, each on the sizes of the one before', async () => {
    const then = ['--then', 'identity', 'layers=x2', '--then', 'vocab', 'multiple=64', 'seed=9'];
    const { stages } = await createPlan(...widen, ...then);
    expect(stages.map(({ request }) => [request.method, request.seed])).toEqual([
      ['hypercloning', 5],
      ['identity', 5],
      ['vocab', 9],
    ]);
    expect(stages.map(({ to }) => [to['hidden'], to['layers'], to['vocab']])).toEqual([
      [48, 2, 37],
      [48, 4, 37],
      [48, 4, 64],
    ]);
  });

  it('takes several stages, with sizes and options', async () => {
    const { stages } = await createPlan(...widen, '--then', 'net2net ffn=90 noise=none identity layers=3');
    expect(
      stages.map(({ request, to }) => [request.method, to['ffn'], to['layers'], request.options['noise']]),
    ).toEqual([
      ['hypercloning', 80, 2, 10],
      ['net2net', 90, 2, null],
      ['identity', 90, 3, undefined],
    ]);
  });

  it('prints each stage and the whole growth', async () => {
    const { out } = await plan(...widen, '--then', 'stack', 'layers=x2');
    expect(out).toMatch(/Stage 1: hypercloning, .*hidden 24 → 48.*; function-preserving/);
    expect(out).toMatch(/Stage 2: stack, layers 2 → 4; not function-preserving/);
    expect(out).toMatch(/Sizes +.*hidden 24 → 48.*layers 2 → 4/);
    expect(out).toMatch(/Promise +not function-preserving/);
  });
});

describe('a recipe file', () => {
  it('has the same stages as the flags', async () => {
    const file = writeJson('recipe.json', {
      stages: [
        { method: 'hypercloning', times: { hidden: 2, ffn: 2 }, seed: 5 },
        { method: 'identity', times: { layers: 2 } },
        { method: 'vocab', options: { multiple: 64 } },
      ],
    });
    const fromFlags = await createPlan(...widen, '--then', 'identity', 'layers=4', 'vocab', 'multiple=64');
    expect((await createPlan('--recipe', file)).stages).toEqual(fromFlags.stages);
  });

  it.each([
    [[]],
    [{ stages: [{ to: { layers: 4 } }] }],
    [[{ method: 'identity', to: { layers: 4 }, speed: 2 }]],
    [[{ method: 'identity', to: { layers: 'four' } }]],
  ])('is refused if it is %j', async (recipe) => {
    const { last } = await plan('--recipe', writeJson('recipe.json', recipe), '--json');
    expect(last()).toMatchObject({ error: { code: 'file/bad-json' } });
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
  ])('whose second stage is %j is refused with the field %s', async (stage, field) => {
    const first = { method: 'hypercloning', times: { hidden: 2, ffn: 2 } };
    const { last } = await plan('--recipe', writeJson('recipe.json', [first, stage]), '--json');
    expect(last()).toMatchObject({
      error: { code: 'file/bad-json', message: expect.stringContaining(`stage 2: ${field}: `) as string },
    });
  });
});

it.each([
  [['plan', exampleCheckpoint, ...widen, '--then', 'layers=4'], 2, 'usage'],
  [['plan', exampleCheckpoint, ...widen, '--then', 'nonsense'], 2, 'usage'],
  [['plan', exampleCheckpoint, ...widen, '--then', 'identity'], 2, 'usage'],
  [['plan', exampleCheckpoint, ...widen, '--then', 'identity', 'layers=1'], 1, 'growth/smaller'],
  [['plan', exampleCheckpoint, ...widen, '--recipe', 'x.json'], 2, 'usage'],
  [['plan', exampleCheckpoint, '--recipe', '/nowhere.json'], 1, 'file/not-found'],
  [['plan', '--method', 'identity', '--to', 'layers=4'], 2, 'usage'],
  [['plan', exampleCheckpoint, '--from-run', 'x', '--method', 'identity', '--to', 'layers=4'], 2, 'usage'],
  [['grow', exampleCheckpoint, '--plan', 'x', ...widen, '--out', '/nowhere/x'], 2, 'usage'],
  [['plan', '--from-run', '/nowhere', '--method', 'identity', '--to', 'layers=4'], 1, 'file/not-found'],
] as const)('refuses %j', async (argv, code, error) => {
  const result = await cambium(...argv, '--json');
  expect(result.code).toBe(code);
  expect(result.last()).toMatchObject({ error: { code: error } });
});

describe('a saved plan', () => {
  it('can be shown and applied', async () => {
    const file = pathOf('plan.json');
    const then = ['--then', 'identity', 'layers=4'];
    const { code, out } = await plan(...widen, ...then, '--save', file);
    expect(code).toBe(0);
    expect(out).toContain(`Saved        ${file}`);
    const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedPlan;
    expect(saved).toEqual(await createPlan(...widen, ...then));
    expect(saved.source.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect((await plan('--plan', file)).out).toContain('hypercloning + identity');
    const grow = ['grow', exampleCheckpoint, '--plan', file, '--out', pathOf('grown'), '--json'];
    const grown = await cambium(...grow);
    expect([grown.code, grown.last()['dir']]).toEqual([0, pathOf('grown')]);
    const again = await plan(...widen, '--save', file, '--json');
    expect(again.last()).toMatchObject({ error: { code: 'file/exists' } });
  });

  it('is refused for another source, with the difference', async () => {
    const file = pathOf('plan.json');
    await plan(...widen, '--save', file);
    const other = pathOf('other');
    cpSync(exampleCheckpoint, other, { recursive: true });
    const configFile = join(other, 'config.json');
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
    writeFileSync(configFile, JSON.stringify({ ...config, rms_norm_eps: 0.5 }));
    for (const [command, ...more] of [['plan'], ['grow', '--out', pathOf('grown')]] as const) {
      const { code, last, err } = await cambium(command, other, '--plan', file, ...more, '--json');
      expect(code).toBe(1);
      expect(last()).toMatchObject({ error: { code: 'growth/other-source' } });
      expect(err).toContain('rms_norm_eps of config.json is');
    }
  });

  it('of an unknown version is refused', async () => {
    const file = writeJson('plan.json', { format: 'cambium-plan', version: 7 });
    const grow = ['grow', exampleCheckpoint, '--plan', file, '--out', pathOf('grown'), '--json'];
    expect((await cambium(...grow)).last()).toMatchObject({ error: { code: 'growth/bad-plan' } });
  });

  it('can be compared with another one', async () => {
    const [first, second] = [pathOf('a.json'), pathOf('b.json')];
    await plan(...widen, '--save', first);
    const other = ['--method', 'hypercloning', '--times', 'hidden=2,ffn=3', '--seed', '6'];
    await plan(...other, '--save', second);
    const { out } = await cambium('plan', 'diff', first, second);
    expect(out).toMatch(/Stage 1 +seed +5 +6/);
    expect(out).toMatch(/Stage 1 +ffn after +80 +120/);
    expect(out).toMatch(/model\.layers\.\*\.mlp\.down_proj\.weight: factors \(2 weights\)/);
    const same = await cambium('plan', 'diff', first, first);
    expect(same.out).toContain('The two plans are the same');
    const { last } = await cambium('plan', 'diff', first, second, '--json');
    const { equal, differences } = last<{ equal: boolean; differences: unknown[] }>();
    expect(equal).toBe(false);
    expect(differences).toContainEqual({ where: 'Stage 1', what: 'seed', first: '5', second: '6' });
  });
});
