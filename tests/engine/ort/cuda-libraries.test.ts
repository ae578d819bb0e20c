/**
 * @file CUDA libraries in Cambium's own folder are loaded in any order and found by name afterwards; a folder
 * for another version of ONNX Runtime is ignored.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NativeLibrary } from '../../../src-main/contract/gpu.ts';
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

/** Returns the libraries that a new process can load with this home and this search path. */
const findLibraries = (home: string, folders = ''): readonly string[] => {
  const script = [
    `import { listNativeLibraries } from ${JSON.stringify(module)};`,
    'console.log(JSON.stringify(listNativeLibraries()));',
  ].join('\n');
  const out = execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: home, LD_LIBRARY_PATH: folders } },
  );
  return (JSON.parse(out) as readonly NativeLibrary[]).filter((l) => l.found).map((l) => l.name);
};

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

  it('include a stand-in driver, which the loader finds by its soname', () => {
    const folder = join(install(['libcuda.so.1']), 'gpu');
    expect(findLibraries(freshFolder('home'), folder)).toContain('libcuda.so.1');
  });

  it('come with their own copy of ONNX Runtime, which is the one to load', () => {
    const home = install(['libcudart.so.13']);
    expect(findLibrary({ CAMBIUM_HOME: home })).toBe(join(home, 'gpu', 'libonnxruntime.so.1'));
  });
});
