/** @file ONNX Runtime's telemetry never starts. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it("writes no telemetry files to the user's home", () => {
  const home = mkdtempSync(join(tmpdir(), 'cambium-telemetry-'));
  const pathOf = (file: string): string =>
    JSON.stringify(join(import.meta.dirname, '../../../src-main/engine/ort', file));
  const script = `const { openDevice } = await import(${pathOf('device.ts')});
    const { encodeIdentityModel } = await import(${pathOf('identity.ts')});
    const device = await openDevice('cpu');
    await device.openSession(encodeIdentityModel('float32'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await device.dispose();`;
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name !== 'ORT_DISABLE_TELEMETRY'),
  );
  try {
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...environment, HOME: home, XDG_CACHE_HOME: join(home, '.cache'), TMPDIR: home },
    });
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
