import { RuleTester } from 'eslint';
import { describe, it } from 'vitest';
import { lineLength } from '../../eslint-rules/line-length.ts';

RuleTester.describe = describe;
RuleTester.it = it as typeof RuleTester.it;

const options = [20];
const errors = [{ message: 'This line has 23 columns; the limit is 20.' }];

new RuleTester().run('line-length', lineLength, {
  valid: [
    { code: "const a = '123456';", options },
    { code: "// prettier-ignore\nconst a = '1234567890';", options },
    { code: "// prettier-ignore\nexport const a = {\n  b: '123456789012345',\n};", options },
  ],
  invalid: [
    { code: "const a = '1234567890';", options, errors },
    { code: "// prettier-ignore\nconst b = 1;\nconst a = '1234567890';", options, errors },
  ],
});
