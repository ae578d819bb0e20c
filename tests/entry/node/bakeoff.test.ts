/** @file The command bakeoff: the plan, a whole bake-off with an engine that counts, pausing and resuming. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BakeoffPlan, BakeoffView } from '../../../src-main/contract/bakeoff.ts';
import { root, startTestService, waitUntil, type TestService } from '../../support/test-service.ts';
import { runCommand, type CommandResult } from './run-command.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
  cpSync(join(root, 'resources', 'devices.json'), join(app.dir, 'resources', 'devices.json'));
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const cambium = (argv: readonly string[], signal?: AbortSignal): Promise<CommandResult> =>
  runCommand(app, argv, signal ? { signal } : {});

const source = join(root, 'resources', 'demo', 'seedling');
const bakeoffFlags = (...more: readonly string[]): readonly string[] => [
  ...['bakeoff', source, '--data', app.textFile, '--times', 'hidden=2,ffn=2'],
  ...[
    '--methods',
    'hypercloning,stack',
    '--probe-tokens',
    '160',
    '--seeds',
    '1',
    '--learning-rates',
    '1e-4,1e-3',
  ],
  ...['--tokens', '1000', '--micro-batch', '1', '--context-length', '10', '--warmup-steps', '0'],
  ...more,
];

describe('bakeoff --plan', () => {
  it('prints the candidates, the rungs and the estimate, and starts nothing', async () => {
    const { code, out } = await cambium(bakeoffFlags('--plan'));
    expect(code).toBe(0);
    for (const word of ['HyperCloning', 'Random weights', 'Source, trained on', 'Rungs', 'Tokens', 'Disk'])
      expect(out).toContain(word);
    expect(await app.service.api.bakeoffs({})).toEqual([]);
  });

  it('prints one JSON object, and takes recipes and a third of, one and three times --lr', async () => {
    const recipe = join(app.dir, 'recipe.json');
    writeFileSync(recipe, JSON.stringify([{ method: 'net2net', times: { ffn: 2 } }]));
    const flags = bakeoffFlags('--plan', '--json', '--recipe', recipe).filter(
      (word) => !['--learning-rates', '1e-4,1e-3'].includes(word),
    );
    const plan = (await cambium([...flags, '--lr', '3e-3'])).last<BakeoffPlan>();
    expect(plan.rates).toEqual([1e-3, 3e-3, 9e-3]);
    expect(plan.candidates.map(({ id }) => id)).toContain('recipe 1');
  });
});

describe('bakeoff', () => {
  it('measures, ranks, writes the report, and names the command that trains the best probe on', async () => {
    const dir = join(app.dir, 'bakeoff');
    const { code, out, err } = await cambium(bakeoffFlags('--out', dir));
    expect(code).toBe(0);
    expect(out).toContain('At equal tokens (160)');
    expect(out).toContain(
      `cambium resume ${dir}/runs/hypercloning-lr0.001-seed0 --tokens 1000 --schedule wsd`,
    );
    expect(err).toContain('held-out loss');
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toContain('HyperCloning');
  });

  it('pauses at Ctrl+C with exit code 130, and continues with --resume', async () => {
    const dir = join(app.dir, 'bakeoff');
    const controller = new AbortController();
    const started = cambium(bakeoffFlags('--out', dir), controller.signal);
    await waitUntil(() => existsSync(join(dir, 'bakeoff.json')));
    controller.abort();
    const paused = await started;
    expect(paused.code).toBe(130);
    expect(paused.out).toContain(`cambium bakeoff --resume ${dir}`);
    expect(await app.service.api.bakeoff({ dir })).toMatchObject({ state: 'paused' });
    const resumed = await cambium(['bakeoff', '--resume', dir, '--json']);
    expect(resumed.code).toBe(0);
    const { state, report } = resumed.last<BakeoffView>();
    expect([state, report.conclusion.winner]).toEqual(['finished', 'hypercloning']);
  });

  it.each([
    ['without a target', ['bakeoff', source, '--data', 'x']],
    ['without a text', ['bakeoff', source, '--times', 'hidden=2']],
    ['with a checkpoint and --resume', ['bakeoff', source, '--resume', 'x']],
    [
      'with a rate that is no number',
      [...['bakeoff', source, '--data', 'x', '--times', 'hidden=2'], '--learning-rates', 'a'],
    ],
  ])('is wrong usage %s', async (_, argv) => {
    expect((await cambium(argv)).code).toBe(2);
  });
});
