import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createChannelPair } from '../../src-main/base/channel.ts';
import { connect } from '../../src-main/contract/connect.ts';
import { openRemoteChannel } from '../../src-main/contract/remote-channel.ts';
import { remoteHostRequest, type RemoteHost } from '../../src-main/contract/remote-hosts.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { service as contract, type Service } from '../../src-main/contract/service.ts';
import { createTunnelOpener } from '../../src-main/entry/tunnel.ts';
import { createRemoteHosts } from '../../src-main/service/remote-hosts.ts';
import { isProcessAlive } from '../../src-main/store/fs/process.ts';
import { errorCodeOf, root, waitUntil } from '../support/test-service.ts';

const ssh = join(root, 'tests/support/ssh.mjs');
const cli = join(root, 'src-main/entry/node/cli.ts');
const command = `"${process.execPath}" "${cli}"`;
const dir = mkdtempSync(join(tmpdir(), 'cambium-places-'));
const box = join(dir, 'box');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const card: RemoteHost = { name: 'box', target: 'me@box', command };

beforeAll(() => {
  process.env['BOX_HOME'] = box;
});
afterEach(() => {
  delete process.env['SSH_MOOD'];
});
afterAll(() => {
  execFileSync(process.execPath, [cli, 'serve', '--stop'], { env: { ...process.env, CAMBIUM_HOME: box } });
  rmSync(dir, { recursive: true, force: true });
});

describe.skipIf(process.platform === 'win32')('a place reached by ssh', () => {
  const places = createRemoteHosts(dir, createTunnelOpener(ssh, version));
  /** The service at hand, as a page has it: places and nothing else. */
  const near = (): Service => {
    const [a, b] = createChannelPair();
    serve(
      contract,
      {
        openRemote: ({ name }: { name: string }, signal: AbortSignal) => places.open(name, signal),
        sendToRemote: ({ session, message }: { session: string; message: unknown }) => {
          places.send(session, message);
          return Promise.resolve({});
        },
      } as unknown as Service,
      b,
    );
    return connect(contract, a);
  };

  it('answers as this computer does, with its own home; its server outlives the connection, and the next one finds it', async () => {
    await places.add(card);
    const ports: number[] = [];
    for (let round = 0; round < 2; round++) {
      const channel = await openRemoteChannel(near(), 'box');
      const there = connect(contract, channel);
      expect(await there.about({})).toMatchObject({ home: box, version });
      expect((await there.activity({})[Symbol.asyncIterator]().next()).value).toHaveProperty('jobs');
      channel.close();
      ports.push((JSON.parse(readFileSync(join(box, 'server.json'), 'utf8')) as { port: number }).port);
    }
    expect(ports[0]).toBe(ports[1]);
    expect(statSync(join(box, 'server.json')).mode & 0o77).toBe(0);
  });

  it('says what is wrong: no ssh, no route, no Cambium, no forwarding, another version', async () => {
    const open = (place: Partial<RemoteHost>, program = ssh, own = version): Promise<string> =>
      errorCodeOf(createTunnelOpener(program, own)({ ...card, ...place }));
    expect(await open({}, join(dir, 'nothing'))).toBe('remote/no-ssh');
    expect(await open({ target: 'me@elsewhere' })).toBe('remote/unreachable');
    expect(await open({ command: 'cambium-that-is-not-there' })).toBe('remote/no-cambium');
    expect(await open({ command: 'echo nonsense' })).toBe('remote/unreachable');
    expect(await open({}, ssh, '99.0.0')).toBe('remote/version');
    process.env['SSH_MOOD'] = 'no-forwarding';
    expect(await open({})).toBe('remote/unreachable');
    process.env['SSH_MOOD'] = 'unreachable';
    expect(await open({})).toBe('remote/unreachable');
  });

  it('outlives Ctrl+C, so that what trains over there can be asked to stop; it ends with the process', async () => {
    const from = (path: string): string => JSON.stringify(join(root, 'src-main', path));
    const script = `import { connect } from ${from('contract/connect.ts')}; import { service } from ${from('contract/service.ts')}; import { tunnelsBy } from ${from('entry/tunnel.ts')};
      const { channel } = await tunnelsBy(${JSON.stringify(ssh)}, '${version}')(${JSON.stringify(card)}), there = connect(service, channel);
      process.on('SIGINT', () => { setTimeout(async () => { console.log((await there.about({})).home); process.exit(0); }, 300); });
      console.log('open');`;
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
      { detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(child, 'close');
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await waitUntil(() => out !== '', 30_000);
    process.kill(-child.pid!, 'SIGINT'); // as a terminal does: to the whole group
    expect([(await ended)[0], out]).toEqual([0, `open\n${box}\n`]);
    const tunnel = Number(readFileSync(join(box, 'tunnel.pid'), 'utf8'));
    await waitUntil(() => !isProcessAlive(tunnel));
  });

  it('is given up at once by Ctrl+C while it is being reached', async () => {
    process.env['SSH_MOOD'] = 'hang';
    const stop = new AbortController();
    const opening = errorCodeOf(openRemoteChannel(near(), 'box', stop.signal));
    setTimeout(() => {
      stop.abort();
    }, 100);
    expect(await opening).toBe('cancelled');
    delete process.env['SSH_MOOD'];
    const channel = await openRemoteChannel(near(), 'box', AbortSignal.timeout(60_000));
    channel.close();
  });

  it('ends calls under way when the far server goes, and starts it again when asked', async () => {
    const channel = await openRemoteChannel(near(), 'box');
    const there = connect(contract, channel);
    const activity = there.activity({})[Symbol.asyncIterator]();
    await activity.next();
    execFileSync(process.execPath, [cli, 'serve', '--stop'], { env: { ...process.env, CAMBIUM_HOME: box } });
    expect(
      await errorCodeOf(
        (async () => {
          for (;;) if ((await activity.next()).done) return;
        })(),
      ),
    ).toBe('rpc/closed');
    expect(existsSync(join(box, 'server.json'))).toBe(false);
    const again = await openRemoteChannel(near(), 'box');
    expect(await connect(contract, again).about({})).toMatchObject({ home: box });
    again.close();
  });

  it('is a name, once; a target can be no switch of ssh', async () => {
    expect(await errorCodeOf(places.add(card))).toBe('remote/exists');
    expect(await errorCodeOf(places.remove('other'))).toBe('remote/not-found');
    expect(await places.remove('box')).toEqual([]);
    for (const target of ['-oProxyCommand=evil', '', 'a b', 'a;b'])
      expect(remoteHostRequest.safeParse({ name: 'x', target }).success, target).toBe(false);
    for (const target of ['box', 'me@10.0.0.7', 'gpu-1.example.org', 'me@[fe80::1%eth0]'])
      expect(remoteHostRequest.safeParse({ name: 'x', target }).success, target).toBe(true);
  });
});
