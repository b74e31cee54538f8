/** Conventional commits, as CONTRIBUTING.md has them: `feat(broker): carry commands between nodes`. */
export default {
  extends: ['@commitlint/config-conventional'],
  rules: {
    'header-max-length': [2, 'always', 100],
    'body-max-line-length': [2, 'always', 130],
    'type-enum': [
      2,
      'always',
      ['bench', 'build', 'chore', 'ci', 'docs', 'feat', 'fix', 'perf', 'refactor', 'revert', 'style', 'test'],
    ],
  },
};
