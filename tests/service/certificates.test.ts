/** @file Reports of stored certificates, and certificates that are made again. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GrowEvent } from '../../src-main/contract/schema.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { certificate } from '../support/fake-engine.ts';
import {
  collectAll,
  exampleCheckpoint,
  startTestService,
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

/** A copy of the example checkpoint with a growth record. */
function createGrown(stored: unknown): string {
  const dir = join(app.dir, 'grown');
  cpSync(exampleCheckpoint, dir, { recursive: true });
  const record = {
    version: 1,
    source: '/models/small',
    method: 'hypercloning',
    plan: {},
    certificate: stored,
  };
  writeFileSync(join(dir, 'growth.json'), JSON.stringify(record));
  return dir;
}

describe('the report of a certificate', () => {
  it('has a name, the source and the certificate', async () => {
    const { api } = app.service;
    const dir = createGrown(certificate);
    const json = await api.certificateReport({ dir, format: 'json' });
    expect(json.name).toBe('grown-certificate.json');
    expect(JSON.parse(json.text)).toEqual({ source: 'small', grown: 'grown', certificate });
    const html = await api.certificateReport({ dir, format: 'html' });
    expect(html.name).toBe('grown-certificate.html');
    expect(html.text).toMatch(/^<!doctype html>[^]*Certificate of grown/);
  });

  it('is refused without a certificate, and with one that cannot be read', async () => {
    const { api } = app.service;
    const none = createGrown(null);
    await expectAppError('growth/no-certificate', () => api.certificateReport({ dir: none, format: 'json' }));
    const damaged = createGrown({ ...certificate, verdict: 'proven' });
    const error = await expectAppError('file/bad-json', () =>
      api.certificateReport({ dir: damaged, format: 'json' }),
    );
    expect(error.message).toMatch(/growth\.json.*certificate\.verdict/);
  });
});

describe('the progress of a certificate', () => {
  it('of a growth is kept only as its last event for those who follow later', async () => {
    const { api } = app.service;
    const job = await api.startGrowth({
      source: exampleCheckpoint,
      out: join(app.dir, 'out'),
      request: { method: 'hypercloning', to: { ffn: 80 }, options: {}, seed: 0, dtype: 'keep' },
      device: 'cpu',
      certificateText: { data: [app.textFile], tokens: 8 },
    });
    const follow = (): Promise<readonly GrowEvent[]> => collectAll(api.followGrowth({ id: job.id }));
    const live = await follow();
    expect(live.filter(({ type }) => type === 'certifying').length).toBeGreaterThan(0);
    const later = (await follow()).filter(({ type }) => type === 'certifying');
    expect(later).toEqual([{ type: 'certifying', what: 'comparing', done: 8, of: 8, seconds: 8 }]);
  });
});
