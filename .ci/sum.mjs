/**
 * @file Adds up vitest JSON reports and prints "N passed, N failed". A missing report, or a suite that failed
 * to load, counts as one failure. Exits with 1 if anything failed or nothing passed.
 */
import { readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
for (const path of process.argv.slice(2)) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    const unloaded = report.testResults.filter(
      (suite) => suite.status === 'failed' && suite.assertionResults.length === 0,
    );
    passed += report.numPassedTests;
    failed += report.numFailedTests + unloaded.length;
  } catch (error) {
    process.stderr.write(`No report: ${error.message}\n`);
    failed++;
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
