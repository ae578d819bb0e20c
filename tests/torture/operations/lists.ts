/** @file Changes of the lists in Cambium's own folder: checkpoints, runs, remote hosts, and a settings file. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openHome } from '../../../src-main/store/home/home.ts';
import { readRemoteHosts, updateRemoteHosts } from '../../../src-main/store/home/remote-hosts.ts';
import type { Operation, Place } from './operation.ts';

const runCount = 20;
const checkpointOf = ({ inputs }: Place): string => join(inputs, 'checkpoint');
const runOf = ({ inputs }: Place, n: number): string => join(inputs, `run-${n % runCount}`);
const hostOf = (n: number): string => `host-${n}`;
/** A list of this size does not fit into one block of a file system. */
const filler = Array.from({ length: 400 }, (_, i) => ({ name: `a model of some length ${i}` }));

export const lists: Operation = {
  guess: 60,
  prepare(place) {
    mkdirSync(checkpointOf(place), { recursive: true });
    writeFileSync(join(checkpointOf(place), 'config.json'), '{}');
    for (let n = 0; n < runCount; n++) {
      mkdirSync(runOf(place, n));
      writeFileSync(join(runOf(place, n), 'settings.json'), '{}');
    }
    return Promise.resolve(undefined);
  },
  async work(place, { begun: n, completed }) {
    const home = openHome(join(place.root, 'home'));
    await home.updateFile('counter.json', (before) => ({ filler, ...before, n }));
    await home.rememberCheckpoint(checkpointOf(place), String(n));
    await home.rememberRun(runOf(place, completed));
    const host = { name: hostOf(n), target: 'user@host', command: 'cambium' };
    await updateRemoteHosts(home.dir, (hosts) => [host, ...hosts].slice(0, 3));
  },
  async check(place, { begun, done, completed }) {
    const dir = join(place.root, 'home');
    const home = openHome(dir);
    const wrong: string[] = [];
    const expectRecent = (what: string, found: number): void => {
      if (!(found >= done && found <= begun))
        wrong.push(`${what} is of change ${found}, after ${done} were made and ${begun} began`);
    };
    expectRecent('counter.json', Number((await home.readFile('counter.json'))?.['n'] ?? 0));
    expectRecent('checkpoints.json', Number((await home.listCheckpoints())[0]?.name ?? 0));
    const runs = (await home.listRuns()).map((path) => basename(path));
    for (let n = Math.max(0, completed - runCount); n < completed; n++)
      if (!runs.includes(basename(runOf(place, n)))) wrong.push(`runs.json lacks run ${n} of ${completed}`);
    const hosts = (await readRemoteHosts(dir)).map(({ name }) => Number(name.slice(hostOf(0).length - 1)));
    expectRecent('places.json', Math.max(0, ...hosts));
    const names = existsSync(dir) ? readdirSync(dir) : [];
    for (const name of names) if (name.includes('.damaged-')) wrong.push(`a list was set aside as ${name}`);
    return wrong;
  },
};
