/** @file The lint rules: layers, line length, schemas of JSON, strict TypeScript and Svelte. */
import regexp from 'eslint-plugin-regexp';
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import { layering } from './eslint-rules/layering.ts';
import { jsonSchema } from './eslint-rules/json-schema.ts';
import { lineLength } from './eslint-rules/line-length.ts';

export default ts.config(
  {
    ignores: [
      'out/',
      'dist/',
      'node_modules/',
      'coverage/',
      'e2e/screenshots/',
      'tests/parity/**/*.mjs',
      '**/*.d.ts',
    ],
  },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    plugins: {
      regexp,
      cambium: { rules: { layering, 'line-length': lineLength, 'json-schema': jsonSchema } },
    },
    rules: {
      'cambium/layering': 'error',
      'cambium/line-length': ['error', 120],
      // A hostile text must not make a pattern take quadratic or exponential time.
      'regexp/no-super-linear-backtracking': 'error',
      'one-var': ['error', 'never'],
      // Numeric code needs `!` after every index, because of noUncheckedIndexedAccess.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-empty-object-type': 'off',
      'no-console': 'error',
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    // Where texts of others are read, finding the start of a match must not take quadratic time either.
    files: ['src-main/store/**', 'src-main/service/**', 'src-main/model/**'],
    rules: { 'regexp/no-super-linear-move': 'error' },
  },
  { files: ['src-main/**', 'src-renderer/**'], rules: { 'cambium/json-schema': 'error' } },
  { files: ['**/*.svelte', '**/*.svelte.ts'], languageOptions: { parserOptions: { parser: ts.parser } } },
  {
    files: ['bin/**', 'tests/**', 'e2e/**'],
    rules: { 'no-console': 'off', 'regexp/no-super-linear-backtracking': 'off' },
  },
);
