/**
 * @file CUDA libraries in Cambium's own folder are loaded in any order and found by name afterwards; a folder
 * for another version of ONNX Runtime is ignored.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { missingLibraries, type NativeLibrary } from '../../../src-main/contract/gpu.ts';
import { findLibrary } from '../../../src-main/engine/ort/library.ts';
import { freshFolder } from '../../support/temporary.ts';

const { version } = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'), 'utf8'),
) as { version: string };
const hasCompiler = (() => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log('skipped: there is no gcc to compile stand-in libraries with');
    return false;
  }
})();

/** Returns a home with an installation of these libraries. Each is compiled and needs the one before it. */
function install(files: readonly string[], runtime = version): string {
  const home = freshFolder('home');
  const folder = join(home, 'gpu');
  mkdirSync(folder);
  files.forEach((name, i) => {
    const source = join(folder, `${i}.c`);
    const lines = [`int symbol_${i}(void) { return ${i}; }`];
    if (i > 0) lines.push(`int symbol_${i - 1}(void);`, `int other_${i}(void) { return symbol_${i - 1}(); }`);
    writeFileSync(source, `${lines.join('\n')}\n`);
    execFileSync('gcc', [
      '-shared',
      '-fPIC',
      `-Wl,-soname,${name}`,
      '-o',
      join(folder, name),
      source,
      ...(i > 0 ? ['-Wl,--no-as-needed', join(folder, files[i - 1]!)] : []),
    ]);
  });
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify({
      version: 1,
      runtime,
      wheels: {},
      time: '',
      files: files
        .toReversed()
        .map((name) => ({ name, bytes: readFileSync(join(folder, name)).length, sha256: '', from: '' })),
    }),
  );
  return home;
}

const module = join(import.meta.dirname, '../../../src-main/engine/ort/cuda-libraries.ts');

/** Returns the libraries as a new process with this home and this search path lists them. */
const listLibraries = (home: string, folders = ''): readonly NativeLibrary[] => {
  const script = [
    `import { listNativeLibraries } from ${JSON.stringify(module)};`,
    'console.log(JSON.stringify(listNativeLibraries()));',
  ].join('\n');
  const out = execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: home, LD_LIBRARY_PATH: folders } },
  );
  return JSON.parse(out) as readonly NativeLibrary[];
};
const findLibraries = (home: string, folders = ''): readonly string[] =>
  listLibraries(home, folders)
    .filter((library) => library.found)
    .map((library) => library.name);

/** Returns the driver as it is listed where one that reports this version of CUDA is installed. */
function findDriver(version: number): NativeLibrary {
  const folder = freshFolder('driver');
  const source = join(folder, 'driver.c');
  writeFileSync(source, `int cuDriverGetVersion(int *version) { *version = ${version}; return 0; }\n`);
  const library = join(folder, 'libcuda.so.1');
  execFileSync('gcc', ['-shared', '-fPIC', '-Wl,-soname,libcuda.so.1', '-o', library, source]);
  return listLibraries(freshFolder('home'), folder).find(({ name }) => name === 'libcuda.so.1')!;
}

describe.skipIf(process.platform !== 'linux' || !hasCompiler)('stand-in libraries', () => {
  const files = ['libcudart.so.13', 'libcublasLt.so.13', 'libcublas.so.13', 'libcudnn.so.9'];
  let before: readonly string[];
  beforeAll(() => {
    before = findLibraries(freshFolder('home'));
  });

  it('are loaded from the folder even though each needs the one before, and are found by name', () => {
    expect(findLibraries(install(files))).toEqual(
      [...new Set([...before, ...files])].filter((name) => before.includes(name) || files.includes(name)),
    );
  });

  it('are ignored if they belong to another version of ONNX Runtime', () => {
    const home = install(files, '1.0.0');
    expect(findLibraries(home)).toEqual(before);
    expect(findLibrary({ CAMBIUM_HOME: home })).toContain('onnxruntime-node');
  });

  it('include a driver that supports CUDA 13, which the loader finds by its soname', () => {
    const driver = findDriver(13_000);
    expect(driver).toMatchObject({ found: true, carrier: null });
    expect(driver.why).toBeUndefined();
  });

  it.each([
    [12_080, '12.8'],
    [11_020, '11.2'],
  ])('do not include a driver for CUDA %i, and name the driver that is needed', (version, supported) => {
    const why = `the driver supports CUDA ${supported} at most; driver 580 or newer is needed, for CUDA 13`;
    expect(findDriver(version)).toMatchObject({ found: false, why });
  });

  it('are all needed, except for those of operators that Cambium does not use', () => {
    const listed = listLibraries(freshFolder('home'));
    expect(listed.filter((library) => library.optional).map((library) => library.name)).toEqual([
      'libcufft.so.12',
    ]);
    expect(listed.map((library) => library.name)).toContain('libnvrtc.so.13');
    const missing = missingLibraries(listed).map((library) => library.name);
    expect(missing).not.toContain('libcufft.so.12');
  });

  it('come with their own copy of ONNX Runtime, which is the one to load', () => {
    const home = install(['libcudart.so.13']);
    expect(findLibrary({ CAMBIUM_HOME: home })).toBe(join(home, 'gpu', 'libonnxruntime.so.1'));
  });
});
