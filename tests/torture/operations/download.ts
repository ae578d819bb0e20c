/** @file Downloads of a model into the Hugging Face cache, from a server on loopback. Each goes into a new cache. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listCachedModels } from '../../../src-main/store/hub/cache.ts';
import { downloadSnapshot } from '../../../src-main/store/hub/download.ts';
import { inspectModel } from '../../../src-main/store/hub/model.ts';
import { createHub, type Hub } from '../../../src-main/store/hub/requests.ts';
import { readHubSettings } from '../../../src-main/store/hub/settings.ts';
import { HubServer } from '../../support/hub-server.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { digestFolder, isSameDigest } from './digest.ts';
import type { Operation, Place } from './operation.ts';

const repo = 'org/model';
interface Inputs {
  readonly endpoint: string;
  readonly digest: Readonly<Record<string, string>>;
}
const readInputs = ({ inputs }: Place): Inputs =>
  JSON.parse(readFileSync(join(inputs, 'inputs.json'), 'utf8')) as Inputs;
const cacheOf = ({ root }: Place, n: number): string => join(root, `cache-${n}`);

function createClient(endpoint: string, cache: string): Hub {
  const environment = { HF_ENDPOINT: endpoint, HF_HUB_CACHE: cache, HF_HOME: cache };
  return createHub(readHubSettings(environment), null, {
    attempts: 4,
    baseDelay: 5,
    timeout: 20_000,
    maxRetryAfter: 3000,
  });
}

export const download: Operation = {
  guess: 300,
  async prepare(place) {
    const server = new HubServer();
    await server.start();
    const options = { dir: join(place.inputs, 'model'), tokenizer: true, shards: 5 };
    const dims = { hidden: 64, heads: 4, ffn: 256 };
    const model = await makeTinyCheckpoint('gpt2', { ...options, dims });
    server.addFolder(repo, model, { downloads: 1, likes: 1, license: 'mit' });
    const inputs: Inputs = { endpoint: server.endpoint, digest: digestFolder(model) };
    writeFileSync(join(place.inputs, 'inputs.json'), JSON.stringify(inputs));
    return () => server.stop();
  },
  async work(place, { completed }) {
    const hub = createClient(readInputs(place).endpoint, cacheOf(place, completed));
    await downloadSnapshot(hub, await inspectModel(hub, repo));
  },
  async check(place, { completed }) {
    const { digest } = readInputs(place);
    const wrong: string[] = [];
    for (const n of completed > 0 ? [completed - 1, completed] : [completed]) {
      const whole = (await listCachedModels(cacheOf(place, n))).filter(({ why }) => why === null);
      if (n < completed && whole.length !== 1) wrong.push(`download ${n} is gone`);
      for (const { dir } of whole)
        if (!isSameDigest(digestFolder(dir), digest)) wrong.push(`${dir} looks whole and is not`);
    }
    return wrong;
  },
  clean(place, { completed }) {
    if (completed > 1) rmSync(cacheOf(place, completed - 2), { recursive: true, force: true });
  },
};
