/** @file cambium verify and the certificate flags of grow, over an engine that computes nothing. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificate, type FakeBehavior } from '../../support/fake-engine.ts';
import { exampleCheckpoint, startTestService, type TestService } from '../../support/test-service.ts';
import { runCommand, type CommandResult } from './run-command.ts';

let app: TestService;
let behavior: FakeBehavior = 'obey';
beforeEach(() => {
  behavior = 'obey';
  app = startTestService({ behavior: () => behavior });
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const example = exampleCheckpoint;
const verify = (...argv: readonly string[]): Promise<CommandResult> =>
  runCommand(app, ['verify', example, example, ...argv]);

describe('verify', () => {
  it('prints the result, its numbers and its progress', async () => {
    const { code, out, err } = await verify();
    expect(code).toBe(0);
    expect(out).toMatch(/^Function-preserving, as measured on this text\nAll logits at 8 positions/);
    expect(out).toMatch(/\n {2}Perplexity +7\.389 → 7\.389\n/);
    expect(out).toMatch(/\n {2}KL divergence +0 \(nats per token, over all 512 tokens\)\n/);
    expect(err).toMatch(/Comparing 100 % {2}8 of 8 tokens/);
  });

  it('writes a report as a page or as JSON, by the end of its name', async () => {
    const page = join(app.dir, 'report.html');
    expect((await verify('--report', page)).out).toContain(`Report: ${page}`);
    expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>[^]*Function-preserving/);
    const json = join(app.dir, 'report.JSON');
    await verify('--report', json);
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ certificate });
  });

  it('refuses a report that it could not write, before it compares', async () => {
    const report = join(app.dir, 'report.html');
    writeFileSync(report, 'mine');
    expect((await verify('--report', report, '--json')).last()).toMatchObject({
      error: { code: 'file/exists' },
    });
    expect(readFileSync(report, 'utf8')).toBe('mine');
    const { code, last } = await verify('--report', join(app.dir, 'report.pdf'), '--json');
    expect([code, last()]).toMatchObject([
      2,
      { error: { message: expect.stringMatching(/\.html nor in \.json/) } },
    ]);
    expect(app.processes.spawned).toHaveLength(0);
  });

  it('leaves no report if the engine fails', async () => {
    behavior = 'refuse';
    const report = join(app.dir, 'report.html');
    expect((await verify('--report', report)).code).toBe(1);
    expect(existsSync(report)).toBe(false);
  });

  // One usage error a line: the flags, the reason.
  // prettier-ignore
  const faults: readonly (readonly [readonly string[], RegExp])[] = [
    [['--tokens', '1M'], /--tokens needs --data/],
    [['--context-length', '64'], /--context-length needs --data/],
    [['--field', 'body'], /--field needs --data/],
    [['--data', 'a.txt', '--tokens', 'many'], /--tokens is "many"/],
    [['--data', 'a.txt', '--context-length', '1'], /--context-length is "1"/],
    [['--data', 'a.txt', '--text', 'b.txt'], /--data and --text are the same setting/],
  ];
  it.each(faults)('refuses %j', async (argv, message) => {
    const { code, last } = await verify(...argv, '--json');
    expect(code).toBe(2);
    expect(last()).toMatchObject({ error: { code: 'usage', message: expect.stringMatching(message) } });
  });
});

describe('inspect', () => {
  it('writes the stored certificate of a grown checkpoint as a report', async () => {
    const grown = join(app.dir, 'grown');
    cpSync(example, grown, { recursive: true });
    const record = { version: 1, source: '/models/small', method: 'hypercloning', plan: {}, certificate };
    writeFileSync(join(grown, 'growth.json'), JSON.stringify(record));
    const report = join(app.dir, 'stored.json');
    const { out } = await runCommand(app, ['inspect', grown, '--report', report]);
    expect(out).toMatch(/Grown from +\/models\/small by hypercloning\. Function-preserving, as measured/);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toEqual({
      source: 'small',
      grown: 'grown',
      certificate,
    });
    const none = await runCommand(app, ['inspect', example, '--report', join(app.dir, 'x.json'), '--json']);
    expect(none.last()).toMatchObject({ error: { code: 'growth/no-certificate' } });
  });
});

describe('grow', () => {
  const growth = ['grow', example, '--method', 'hypercloning', '--times', 'ffn=2'];

  it('takes a text for its certificate', async () => {
    const flags = ['--certificate-data', app.textFile, '--certificate-tokens', '1k'];
    const { code, out } = await runCommand(app, [...growth, '--out', join(app.dir, 'grown'), ...flags]);
    expect(code).toBe(0);
    expect(out).toMatch(/Function-preserving, as measured on this text/);
  });

  it('refuses the other flags without a text', async () => {
    const argv = [...growth, '--out', join(app.dir, 'grown'), '--certificate-tokens', '1k', '--json'];
    expect((await runCommand(app, argv)).last()).toMatchObject({
      error: { message: expect.stringMatching(/--certificate-tokens needs --certificate-data/) },
    });
  });
});
