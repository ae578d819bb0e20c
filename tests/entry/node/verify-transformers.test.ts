/**
 * @file `cambium verify --against transformers` with the real library. Needs a Python with transformers in
 * CAMBIUM_PYTHON, or in /opt/venv; otherwise the tests are skipped.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { root, startEngineTestService } from '../../support/test-service.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { runCommand, type CommandResult } from './run-command.ts';

const python = process.env['CAMBIUM_PYTHON'] ?? '/opt/venv/bin/python';
const hasTransformers =
  existsSync(python) && spawnSync(python, ['-c', 'import transformers, torch']).status === 0;
const fixtures = join(root, 'tests', 'fixtures');

interface Answer {
  readonly passed: boolean;
  readonly text: string;
  readonly between?: number;
  readonly results: readonly {
    readonly dir: string;
    readonly maxLogit: number;
    readonly agreement: number;
  }[];
}

let service: ReturnType<typeof startEngineTestService>;
beforeAll(() => {
  service = startEngineTestService();
  vi.stubEnv('CAMBIUM_HOME', join(service.dir, 'home'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await service.cleanUp();
});

const verify = (...argv: readonly string[]): Promise<CommandResult> =>
  runCommand(service, ['verify', ...argv]);

describe.skipIf(!hasTransformers)('cambium verify --against transformers', () => {
  const against = ['--against', 'transformers', '--python', python] as const;

  it.each([
    ['golden/llama-rope-llama3'],
    ['golden/gemma3-old'],
    ['golden/mixtral-window'],
    ['unusual/llama-both-ropes', '--export'],
    ['unusual/opt-base-names', '--export'],
  ])('finds the same logits for %s', async (name, ...more) => {
    const { code, err, last } = await verify(join(fixtures, name), ...against, ...more, '--json');
    expect(code, err).toBe(0);
    const { passed, results } = last<Answer>();
    expect([passed, results.length, results[0]!.agreement]).toEqual([true, 1, 1]);
    expect(results[0]!.maxLogit).toBeLessThan(1e-4);
  });

  it('compares two models on the text of a file', async () => {
    const source = await makeTinyCheckpoint('llama', { tokenizer: true });
    const grown = freePath('other');
    cpSync(source, grown, { recursive: true });
    const config = JSON.parse(readFileSync(join(grown, 'config.json'), 'utf8')) as object;
    writeFileSync(join(grown, 'config.json'), JSON.stringify({ ...config, rope_theta: 50 }));
    const { code, out } = await verify(source, grown, ...against, '--data', service.textFile);
    expect(code).toBe(0);
    expect(out).toContain('Cambium and transformers compute the same logits');
    expect(out).toMatch(/tokens \(text\.txt/);
    expect(out).toMatch(/Between the two in transformers: max \|Δlogit\| \d/);
  });

  it('says what transformers says of a model that it cannot open', async () => {
    const dir = await makeTinyCheckpoint('llama', { config: { hidden_dropout: 0 } });
    const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as object;
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...config, use_cache: 'yes' }));
    const { code, err } = await verify(dir, ...against);
    expect(code).toBe(1);
    expect(err).toMatch(/transformers cannot open .*use_cache/s);
  });
});

describe('cambium verify', () => {
  it('names the package that a Python lacks, and the pip line', async () => {
    // Node in the place of Python runs the script no further than its first line.
    const script = join(freshFolder(), 'python.mjs');
    writeFileSync(script, `#!/usr/bin/env node\nconsole.log('{"missing": "transformers"}');`, {
      mode: 0o755,
    });
    const dir = await makeTinyCheckpoint('llama');
    const { code, err } = await verify(dir, '--against', 'transformers', '--python', script);
    expect(code).toBe(1);
    expect(err).toContain(`${script} -m pip install torch transformers`);
  });

  it('has exit code 3 if the logits differ by more than rounding', async () => {
    const script = join(freshFolder(), 'python.mjs');
    const result = {
      tokens: 8,
      maxLogit: 0.3,
      rmsLogit: 2,
      lossCambium: 3,
      lossTransformers: 3.1,
      agreement: 0.9,
      missing: [],
      unexpected: ['model.extra'],
      mismatched: [],
    };
    const answer = { python: '3', torch: '2', transformers: '5', results: [result] };
    writeFileSync(script, `#!/usr/bin/env node\nconsole.log(${JSON.stringify(JSON.stringify(answer))});`, {
      mode: 0o755,
    });
    const dir = await makeTinyCheckpoint('llama');
    const { code, out } = await verify(dir, '--against', 'transformers', '--python', script);
    expect(code).toBe(3);
    expect(out).toContain('Cambium and transformers differ');
    expect(out).toContain('transformers did not use model.extra');
  });

  it('needs two folders, or another library', async () => {
    expect((await verify('a')).code).toBe(2);
    expect((await verify('a', '--against', 'jax')).code).toBe(2);
  });
});
