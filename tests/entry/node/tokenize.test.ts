/** @file cambium tokenize, over an engine that computes nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeBehavior } from '../../support/fake-engine.ts';
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

const tokenize = (...argv: readonly string[]): Promise<CommandResult> =>
  runCommand(app, ['tokenize', exampleCheckpoint, ...argv]);

describe('tokenize', () => {
  it('prints the documents as one object on the last line with --json', async () => {
    const { code, last } = await tokenize('--data', app.textFile, '--json');
    expect(code).toBe(0);
    expect(last()).toEqual({
      documents: [{ file: app.textFile, ids: [7, 8], tokens: ['one', 'two'], appended: [0] }],
      leftOut: { missing: 0, empty: 2 },
      notes: [],
    });
    expect((await tokenize('--text', 'hello', '--json')).last()).toMatchObject({
      documents: [{ ids: [7, 8], tokens: ['hello', 'two'] }],
    });
  });

  it('prints ids beside tokens, the end-of-text token, and what is left out', async () => {
    const { out } = await tokenize('--data', app.textFile);
    expect(out).toContain(`Document 1 of ${app.textFile}: 2 tokens`);
    expect(out).toMatch(/7 +"one"\n *8 +"two"\n/);
    expect(out).toContain('Training adds the end-of-text token 0.');
    expect(out).toContain('Left out: 2 records with an empty text.');
    expect((await tokenize('--text', 'hello')).out).toMatch(/^Text: 2 tokens\n/);
  });

  it('summarizes data with --summary', async () => {
    const { out, err } = await tokenize('--data', app.textFile, '--data', `${app.textFile}=3`, '--summary');
    expect(out).toMatch(/data +files +documents +tokens +text +share/);
    expect(out).toContain('Tokenizer: BPE, 300 tokens');
    expect(out).toContain('Left out: 1 record without the field.');
    expect(out).toContain(`Left out of ${app.textFile}: 1 file, another format (README.md).`);
    expect(out).toContain(`The first document (${app.textFile}) begins:\n"one two"\n"one" "two"`);
    expect(out).not.toContain('Only the first documents were read.');
    expect(err).toMatch(/Tokenizing 100 %/);
    const limited = await tokenize('--data', app.textFile, '--summary', '--limit', '5', '--json');
    expect(limited.last()).toMatchObject({ documents: 2, isPartial: true });
  });

  // One usage error a line: the flags, the reason.
  // prettier-ignore
  const faults: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /give either --data or --text/],
    [['--data', 'a.txt', '--text', 'b'], /give either --data or --text/],
    [['--text', 'b', '--summary'], /--summary needs --data/],
    [['--data', 'a.txt', '--limit', '0'], /--limit is "0"/],
  ];
  it.each(faults)('refuses %j', async (argv, message) => {
    const { code, last } = await tokenize(...argv, '--json');
    expect(code).toBe(2);
    expect(last()).toMatchObject({ error: { code: 'usage', message: expect.stringMatching(message) } });
  });

  it('passes on what the engine refuses', async () => {
    behavior = 'refuse';
    expect((await tokenize('--text', 'a', '--json')).code).toBe(1);
  });
});
