/** @file Nothing that Cambium runs reports to anybody: ONNX Runtime's own telemetry never starts. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('leaves no trace of telemetry in the home of whoever runs it', () => {
  const home = mkdtempSync(join(tmpdir(), 'cambium-silent-'));
  const ort = join(import.meta.dirname, '../../../src-main/engine/ort');
  const script = `const { openDevice } = await import(${JSON.stringify(join(ort, 'device.ts'))}); const { identityModel } = await import(${JSON.stringify(join(ort, 'identity.ts'))});
    const d = await openDevice('cpu'); await d.session(identityModel('float32')); await new Promise((r) => setTimeout(r, 500)); await d.dispose();`;
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
