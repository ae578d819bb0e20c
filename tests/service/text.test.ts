/** @file The tokens and the preview of text, by the engine, for checkpoints and runs. */
import { relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectAppError } from '../support/expect-app-error.ts';
import {
  collectAll,
  errorCodeOf,
  exampleCheckpoint,
  startTestService,
  trainingSettings,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

it('passes the documents of the engine on, with absolute paths', async () => {
  const { api } = app.service;
  const data = [relative(process.cwd(), app.textFile)];
  const events = await collectAll(api.tokenizeText({ checkpoint: exampleCheckpoint, data }));
  expect(events).toMatchObject([
    { type: 'document', document: { file: app.textFile, ids: [7, 8] } },
    { type: 'done', documents: 1, leftOut: { missing: 0, empty: 2 } },
  ]);
  const preview = await collectAll(api.previewText({ checkpoint: exampleCheckpoint, data, limit: 3 }));
  expect(preview.at(-1)).toMatchObject({
    type: 'done',
    preview: { isPartial: true, items: [{ path: app.textFile }] },
  });
});

it('takes a run for its newest checkpoint', async () => {
  const { api } = app.service;
  const { id } = await api.startRun({
    checkpoint: exampleCheckpoint,
    data: [app.textFile],
    settings: trainingSettings(),
  });
  await collectAll(api.followRun({ id, from: 0 }));
  const events = await collectAll(api.tokenizeText({ checkpoint: id, text: 'one' }));
  expect(events[0]).toMatchObject({ document: { file: null, tokens: ['one', 'two'] } });
});

it('refuses a text beside data, neither of them, and weights that do not fit the data', async () => {
  const { api } = app.service;
  const checkpoint = exampleCheckpoint;
  for (const request of [{ checkpoint }, { checkpoint, text: 'a', data: ['b'] }])
    expect(await errorCodeOf(collectAll(api.tokenizeText(request)))).toBe('rpc/bad-input');
  await expectAppError('rpc/bad-input', () =>
    collectAll(api.previewText({ checkpoint, data: ['a', 'b'], weights: [1] })),
  );
});
