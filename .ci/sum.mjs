/**
 * @file Adds up vitest JSON reports. Prints every failed test with the first lines of its error, then
 * "N passed, N failed". A missing report, or a suite that failed to load, counts as one failure.
 * Exits with 1 if anything failed or nothing passed.
 */
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

/** Lines of an error that are printed: enough to see what was expected and what came. */
const LINES = 6;

const failures = [];
let passed = 0;
const fail = (name, message) => {
  const lines = String(message ?? '').split('\n');
  failures.push(
    [`FAILED ${name}`, ...lines.slice(0, LINES).map((line) => `  ${line.slice(0, 200)}`)].join('\n'),
  );
};

for (const path of process.argv.slice(2)) {
  const name = basename(path, '.json');
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    passed += report.numPassedTests;
    if (report.testResults.length === 0 && report.numFailedTests > 0) fail(name, 'See its output above.');
    for (const suite of report.testResults) {
      const file = relative(process.cwd(), suite.name);
      if (suite.status === 'failed' && suite.assertionResults.length === 0) fail(file, suite.message);
      for (const test of suite.assertionResults) {
        if (test.status === 'failed') fail(`${file} > ${test.fullName}`, test.failureMessages?.[0]);
      }
    }
  } catch (error) {
    fail(name, `No report: ${error.message}`);
  }
}
for (const failure of failures) process.stdout.write(`${failure}\n`);
process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
process.exit(failures.length === 0 && passed > 0 ? 0 : 1);
