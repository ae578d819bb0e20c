/** @file A local Hub with three models, and a service whose environment points to it. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { HubServer } from '../support/hub-server.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { freshFolder } from '../support/temporary.ts';
import { startTestService, type TestService } from '../support/test-service.ts';

export const accessToken = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';

export interface HubFixture {
  readonly server: HubServer;
  readonly app: TestService;
  /** The cache of the Hub. */
  readonly cache: string;
  /** Makes downloads slow enough to be interrupted. */
  slowDown(): void;
  /** Ends the faults of the server. */
  recover(): void;
}

const hubVariables = /^(HF_|HUGGING|XDG_CACHE|TRANSFORMERS_OFF)/;

/**
 * Sets up the fixture for the tests of a file: `org/oak` can be grown, `org/gated` needs the access token, and
 * `org/odd` has an unknown family. Call the result inside of a test.
 */
export function useHub(): () => HubFixture {
  const server = new HubServer();
  const initialEnvironment = { ...process.env };
  let app: TestService;
  beforeAll(async () => {
    await server.start();
    await addModels(server);
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    app = startTestService();
    const others = Object.entries(initialEnvironment).filter(([name]) => !hubVariables.test(name));
    process.env = {
      ...Object.fromEntries(others),
      HF_ENDPOINT: server.endpoint,
      HF_HOME: join(app.dir, 'hf'),
    };
  });
  afterEach(async () => {
    server.faults = [];
    process.env = { ...initialEnvironment };
    await app.service.close();
    await app.cleanUp();
  });
  return () => ({
    server,
    app,
    cache: join(app.dir, 'hf', 'hub'),
    slowDown() {
      server.faults = [{ match: /GET cdn/, times: 999, chunkDelayMs: 4 }];
    },
    recover() {
      server.faults = [];
    },
  });
}

async function addModels(server: HubServer): Promise<void> {
  const model = await makeTinyCheckpoint('llama', {
    dir: join(freshFolder(), 'oak'),
    tokenizer: true,
    shards: 4,
    dims: { hidden: 64, ffn: 256, layers: 4 },
  });
  const unneededFile = { 'pytorch_model.bin': Buffer.alloc(1000) };
  server.addFolder('org/oak', model, { downloads: 9, license: 'mit' }, unneededFile);
  server.addFolder('org/gated', model, { gated: 'manual' });
  server.addCommit('org/odd', {
    'config.json': '{"model_type":"mamba"}',
    'model.safetensors': Buffer.alloc(30),
  });
  server.accounts.set(accessToken, { name: 'me', role: 'write', gatedRepos: ['org/gated'] });
}
