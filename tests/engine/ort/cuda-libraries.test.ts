/**
 * @file CUDA's libraries out of Cambium's own folder: loaded whatever their order, found by name afterwards;
 * a folder of another version is passed over.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NativeLibrary } from '../../../src-main/contract/gpu.ts';
import { libraryPath } from '../../../src-main/engine/ort/library.ts';
import { freshFolder } from '../../support/temporary.ts';

const { version } = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'), 'utf8'),
) as { version: string };
const compiler = (() => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log('skipped: there is no gcc to make stand-in libraries with');
    return false;
  }
})();

/** An installation of these files; the libraries are compiled, each asking for those before it. */
function installation(files: readonly string[], runtime = version): string {
  const home = freshFolder('home');
  const folder = join(home, 'gpu');
  mkdirSync(folder);
  files.forEach((name, i) => {
    const source = join(folder, `${i}.c`);
    writeFileSync(
      source,
      `int symbol_${i}(void) { return ${i}; }\n${i > 0 ? `int symbol_${i - 1}(void); int other_${i}(void) { return symbol_${i - 1}(); }\n` : ''}`,
    );
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

/** What an engine of its own finds with this home and these folders of the loader. */
const found = (home: string, folders = ''): readonly string[] => {
  const script = `import { nativeLibraries } from ${JSON.stringify(join(import.meta.dirname, '../../../src-main/engine/ort/cuda-libraries.ts'))}; console.log(JSON.stringify(nativeLibraries()));`;
  const out = execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: home, LD_LIBRARY_PATH: folders } },
  );
  return (JSON.parse(out) as readonly NativeLibrary[]).filter((l) => l.found).map((l) => l.name);
};

describe.skipIf(process.platform !== 'linux' || !compiler)('stand-in libraries', () => {
  const files = ['libcudart.so.13', 'libcublasLt.so.13', 'libcublas.so.13', 'libcudnn.so.9'];
  let before: readonly string[];
  beforeAll(() => {
    before = found(freshFolder('home'));
  });

  it('are loaded from the folder though each needs the one before, and count as found by name', () => {
    expect(found(installation(files))).toEqual(
      [...new Set([...before, ...files])].filter((name) => before.includes(name) || files.includes(name)),
    );
  });

  it('of another version of ONNX Runtime are left alone', () => {
    const home = installation(files, '1.0.0');
    expect(found(home)).toEqual(before);
    expect(libraryPath({ CAMBIUM_HOME: home })).toContain('onnxruntime-node');
  });

  it('and a stand-in driver satisfies the loader by its soname', () => {
    expect(found(freshFolder('home'), join(installation(['libcuda.so.1']), 'gpu'))).toContain('libcuda.so.1');
  });

  it('bring their own copy of ONNX Runtime, which is the one that is loaded', () => {
    const home = installation(['libcudart.so.13']);
    expect(libraryPath({ CAMBIUM_HOME: home })).toBe(join(home, 'gpu', 'libonnxruntime.so.1'));
  });
});
