/** @file Remote hosts through a fake ssh, whose remote machine is this one with another home folder. */
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
const dir = mkdtempSync(join(tmpdir(), 'cambium-remote-'));
const remoteHome = join(dir, 'remote');
const packageFile = readFileSync(join(root, 'package.json'), 'utf8');
const { version } = JSON.parse(packageFile) as { version: string };
const host: RemoteHost = { name: 'box', target: 'me@box', command: `"${process.execPath}" "${cli}"` };

const stopRemoteServer = (): void => {
  execFileSync(process.execPath, [cli, 'serve', '--stop'], {
    env: { ...process.env, CAMBIUM_HOME: remoteHome },
  });
};

beforeAll(() => {
  process.env['BOX_HOME'] = remoteHome;
});
afterEach(() => {
  delete process.env['SSH_MOOD'];
});
afterAll(() => {
  stopRemoteServer();
  rmSync(dir, { recursive: true, force: true });
});

/** A script that prints the remote home 300 ms after SIGINT. */
function createClientScript(): string {
  const pathOf = (path: string): string => JSON.stringify(join(root, 'src-main', path));
  return `
    import { connect } from ${pathOf('contract/connect.ts')};
    import { service } from ${pathOf('contract/service.ts')};
    import { createTunnelOpener } from ${pathOf('entry/tunnel.ts')};
    const open = createTunnelOpener(${JSON.stringify(ssh)}, '${version}');
    const { channel } = await open(${JSON.stringify(host)});
    const api = connect(service, channel);
    process.on('SIGINT', () => {
      setTimeout(async () => {
        console.log((await api.about({})).home);
        process.exit(0);
      }, 300);
    });
    console.log('open');`;
}

describe.skipIf(process.platform === 'win32')('a remote host', () => {
  const hosts = createRemoteHosts(dir, createTunnelOpener(ssh, version));

  /** The local service, as far as remote hosts need it. */
  function connectLocally(): Service {
    const [near, far] = createChannelPair();
    const api = {
      openRemote: ({ name }: { name: string }, signal: AbortSignal) => hosts.open(name, signal),
      sendToRemote({ session, message }: { session: string; message: unknown }) {
        hosts.send(session, message);
        return Promise.resolve({});
      },
    };
    serve(contract, api as unknown as Service, far);
    return connect(contract, near);
  }

  it('answers like this computer, with its own home; its server outlives the connection', async () => {
    await hosts.add(host);
    const serverFile = join(remoteHome, 'server.json');
    const ports: number[] = [];
    for (let i = 0; i < 2; i++) {
      const channel = await openRemoteChannel(connectLocally(), 'box');
      const api = connect(contract, channel);
      expect(await api.about({})).toMatchObject({ home: remoteHome, version });
      const firstActivity = await api.activity({})[Symbol.asyncIterator]().next();
      expect(firstActivity.value).toHaveProperty('jobs');
      channel.close();
      ports.push((JSON.parse(readFileSync(serverFile, 'utf8')) as { port: number }).port);
    }
    expect(ports[0]).toBe(ports[1]);
    expect(statSync(serverFile).mode & 0o77).toBe(0);
  });

  it('reports why it cannot be reached', async () => {
    const open = (change: Partial<RemoteHost>, program = ssh, ownVersion = version): Promise<string> =>
      errorCodeOf(createTunnelOpener(program, ownVersion)({ ...host, ...change }));
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

  it('stays connected after Ctrl+C, and is disconnected when the process ends', async () => {
    const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module'];
    const child = spawn(process.execPath, [...flags, '-e', createClientScript()], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await waitUntil(() => out !== '', 30_000);
    // A terminal sends the signal to the whole process group.
    process.kill(-child.pid!, 'SIGINT');
    expect([(await ended)[0], out]).toEqual([0, `open\n${remoteHome}\n`]);
    const tunnel = Number(readFileSync(join(remoteHome, 'tunnel.pid'), 'utf8'));
    await waitUntil(() => !isProcessAlive(tunnel));
  });

  it('can be cancelled while it connects', async () => {
    process.env['SSH_MOOD'] = 'hang';
    const controller = new AbortController();
    const opening = errorCodeOf(openRemoteChannel(connectLocally(), 'box', controller.signal));
    setTimeout(() => {
      controller.abort();
    }, 100);
    expect(await opening).toBe('cancelled');
    delete process.env['SSH_MOOD'];
    const channel = await openRemoteChannel(connectLocally(), 'box', AbortSignal.timeout(60_000));
    channel.close();
  });

  it('ends pending calls when its server ends, and starts the server again', async () => {
    const channel = await openRemoteChannel(connectLocally(), 'box');
    const activity = connect(contract, channel).activity({})[Symbol.asyncIterator]();
    await activity.next();
    stopRemoteServer();
    const readToEnd = async (): Promise<void> => {
      while (!(await activity.next()).done);
    };
    expect(await errorCodeOf(readToEnd())).toBe('rpc/closed');
    expect(existsSync(join(remoteHome, 'server.json'))).toBe(false);
    const again = await openRemoteChannel(connectLocally(), 'box');
    expect(await connect(contract, again).about({})).toMatchObject({ home: remoteHome });
    again.close();
  });

  it('has a unique name, and a target that ssh cannot read as a flag', async () => {
    expect(await errorCodeOf(hosts.add(host))).toBe('remote/exists');
    expect(await errorCodeOf(hosts.remove('other'))).toBe('remote/not-found');
    expect(await hosts.remove('box')).toEqual([]);
    for (const target of ['-oProxyCommand=evil', '', 'a b', 'a;b'])
      expect(remoteHostRequest.safeParse({ name: 'x', target }).success, target).toBe(false);
    for (const target of ['box', 'me@10.0.0.7', 'gpu-1.example.org', 'me@[fe80::1%eth0]'])
      expect(remoteHostRequest.safeParse({ name: 'x', target }).success, target).toBe(true);
  });
});
