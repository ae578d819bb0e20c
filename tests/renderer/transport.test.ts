import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLocalTransport, storeToken, takeToken, type Absence } from '../../src-renderer/transport.ts';

/** The WebSockets that were opened. They neither open nor close by themselves. */
const sockets: FakeSocket[] = [];
class FakeSocket extends EventTarget {
  readonly readyState = 0;
  readonly protocols: readonly string[];
  constructor(_url: string, protocols: readonly string[]) {
    super();
    this.protocols = protocols;
    sockets.push(this);
  }
  send(): void {
    // Nothing receives it.
  }
  close(): void {
    this.dispatchEvent(new Event('close'));
  }
}

beforeEach(() => {
  vi.stubGlobal('WebSocket', FakeSocket);
  localStorage.clear();
  sockets.length = 0;
  location.hash = '';
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const newestToken = (): string => sockets.at(-1)!.protocols[1]!.slice('cambium.'.length);
const start = async (): Promise<(Absence | undefined)[]> => {
  const absences: (Absence | undefined)[] = [];
  const before = sockets.length;
  createLocalTransport().start(
    () => undefined,
    (_, absence) => absences.push(absence),
  );
  await vi.waitFor(() => {
    expect(sockets.length).toBe(before + 1);
  });
  return absences;
};

// The first test: the transports of the others would connect again too.
it('connects again when another tab gets the token of a new server, and not while it is connected', async () => {
  await start();
  const tell = (): unknown => window.dispatchEvent(new StorageEvent('storage', { key: 'cambium.token' }));
  sockets[0]!.dispatchEvent(new Event('open'));
  tell();
  await Promise.resolve();
  expect(sockets).toHaveLength(1);
  sockets[0]!.close();
  storeToken('of the new server');
  tell();
  await vi.waitFor(() => {
    expect(sockets.length).toBeGreaterThan(1);
  });
  expect(newestToken()).toBe('of the new server');
});

it('uses the token of the address, in every tab of the browser', async () => {
  location.hash = '#token=abc';
  takeToken();
  expect(location.hash).toBe('#/');
  await start();
  expect(newestToken()).toBe('abc');
  // Another tab has the same storage, and no token in its address.
  takeToken();
  await start();
  expect(newestToken()).toBe('abc');
});

it('exchanges a code for the token before it connects', async () => {
  const fetched = vi.fn(() => Promise.resolve(Response.json({ token: 'exchanged' })));
  vi.stubGlobal('fetch', fetched);
  location.hash = '#code=once';
  takeToken();
  await start();
  expect(newestToken()).toBe('exchanged');
  expect(fetched).toHaveBeenCalledExactlyOnceWith('/token', { method: 'POST', body: 'once' });
});

it('says whether the server is gone or refuses the token', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  const absences = await start();
  sockets.at(-1)!.close();
  await vi.waitFor(() => {
    expect(absences).toEqual(['gone']);
  });
  vi.stubGlobal('fetch', () => Promise.resolve(new Response()));
  sockets.at(-1)!.close();
  await vi.waitFor(() => {
    expect(absences).toEqual(['gone', 'refused']);
  });
});
