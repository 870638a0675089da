import regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['node_modules', '.local', '.serverless', '.esbuild', 'dist'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { regexp },
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      // A pattern that a caller's text can make take forever is a way to stop the service.
      'regexp/no-super-linear-backtracking': 'error',
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.tsx'],
    rules: { '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }] },
  },
  {
    // There callers' text arrives; a pattern that is only slow on a setting or in a test harms nobody.
    files: ['lib/**/*.ts', 'functions/**/*.ts'],
    plugins: { regexp },
    rules: { 'regexp/no-super-linear-move': 'error' },
  },
  {
    // What people look at in a terminal is written with console.log there, and nowhere else.
    files: ['sandbox/**/*.ts', 'bench/**/*.ts', 'test/**/*.ts', 'release/**/*.ts', 'deploy/dead-letters.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // A reference model speaks of a few of many actions, and says what it does with the others by default.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
);
