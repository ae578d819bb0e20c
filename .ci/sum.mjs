/**
 * @file The closing line: what passed and failed in vitest's JSON reports. A report that is missing, or a
 * suite that did not load, counts as a failure.
 */
import { readFileSync } from 'node:fs';

let passed = 0,
  failed = 0;
for (const path of process.argv.slice(2)) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    passed += report.numPassedTests;
    failed +=
      report.numFailedTests +
      report.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0)
        .length;
  } catch (error) {
    process.stderr.write(`no report: ${error.message}\n`);
    failed++;
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
