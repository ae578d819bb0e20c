/** @file The lint rules: layers, line length, strict TypeScript and Svelte. */
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import { layering } from './eslint-rules/layering.ts';
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
    plugins: { cambium: { rules: { layering, 'line-length': lineLength } } },
    rules: {
      'cambium/layering': 'error',
      'cambium/line-length': ['error', 120],
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
  { files: ['**/*.svelte', '**/*.svelte.ts'], languageOptions: { parserOptions: { parser: ts.parser } } },
  { files: ['bin/**', 'tests/**', 'e2e/**'], rules: { 'no-console': 'off' } },
);
