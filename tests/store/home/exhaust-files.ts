/** @file Lists and remembers runs while no more files can be opened; prints the codes of the errors. */
import { openSync } from 'node:fs';
import { openHome } from '../../../src-main/store/home/home.ts';

const home = openHome(process.argv[2]);
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => String((error as { code?: string }).code),
  );
try {
  for (;;) openSync('/dev/null', 'r');
} catch {
  // Every descriptor is in use now.
}
const codes = [await codeOf(home.listRuns()), await codeOf(home.updateFile('runs.json', () => ({})))];
process.stdout.write(codes.join(' '));
