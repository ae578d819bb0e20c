import { RuleTester } from 'eslint';
import ts from 'typescript-eslint';
import { describe, it } from 'vitest';
import { jsonSchema } from '../../eslint-rules/json-schema.ts';

RuleTester.describe = describe;
RuleTester.it = it as typeof RuleTester.it;

const filename = 'src-main/store/a.ts';
const parse = [{ message: 'Parse JSON with parseJson of base/json.ts, which takes a schema.' }];
const cast = [{ message: 'What readJsonObject returns needs a schema, not a cast.' }];

new RuleTester({ languageOptions: { parser: ts.parser } }).run('json-schema', jsonSchema, {
  valid: [
    { code: 'JSON.parse(text);', filename: 'src-main/base/json.ts' },
    { code: 'parseJson(text, schema);', filename },
    { code: 'const a = schema.safeParse(await readJsonObject(path));', filename },
    { code: 'const a = (await readText(path)) as Text;', filename },
  ],
  invalid: [
    { code: 'JSON.parse(text);', filename, errors: parse },
    { code: 'const a = schema.parse(JSON.parse(text));', filename, errors: parse },
    { code: 'const a = (await readJsonObject(path)) as Digest;', filename, errors: cast },
    {
      code: 'const a = ((await readJsonObject(path).catch(() => undefined)) ?? {}) as Digest;',
      filename,
      errors: cast,
    },
    {
      code: 'const a = (await readJsonObject(path)) as unknown as Digest;',
      filename,
      errors: [...cast, ...cast],
    },
  ],
});
