import { validationErrorsOf } from './validation-errors.js';

const issues = (...list: unknown[]) => Object.assign(new Error('invalid'), { issues: list });

it('reads path, message and code of the issues of a Standard Schema library', () => {
  const error = issues(
    { path: ['user', 0, 'name'], message: 'Too short', code: 'too_small', received: 'secret' },
    { message: 'Unknown key' },
  );
  expect(validationErrorsOf(error)).toEqual([
    { path: ['user', 0, 'name'], message: 'Too short', code: 'too_small' },
    { path: [], message: 'Unknown key' },
  ]);
});

it('reads path segments that are objects with a key, and symbols as text', () => {
  const error = issues({ path: [{ key: 'user' }, { key: 0 }, Symbol('name')], message: 'Required' });
  expect(validationErrorsOf(error)).toEqual([{ path: ['user', 0, 'Symbol(name)'], message: 'Required' }]);
});

it('leaves out a code that is not text', () => {
  expect(validationErrorsOf(issues({ message: 'Required', code: 7 }))).toEqual([{ path: [], message: 'Required' }]);
});

it('reads nested errors of class-validator with one entry for each constraint', () => {
  const errors = [
    { property: 'age', value: 'secret', constraints: { isInt: 'age must be an integer', min: 'age is too low' } },
    { property: 'user', children: [{ property: 'name', constraints: { isString: 'name must be a string' } }] },
  ];
  expect(validationErrorsOf(errors)).toEqual([
    { path: ['age'], message: 'age must be an integer', code: 'isInt' },
    { path: ['age'], message: 'age is too low', code: 'min' },
    { path: ['user', 'name'], message: 'name must be a string', code: 'isString' },
  ]);
});

it.each([
  ['an ordinary error', new Error('invalid')],
  ['an object with issues that is not an error', { issues: [{ message: 'Required' }] }],
  ['issues without a message', issues({ path: [] })],
  ['issues that are null', issues(null)],
  ['an empty list', []],
  ['a list of something else', ['age']],
  ['a list of properties without constraints and children', [{ property: 'age' }]],
  ['undefined', undefined],
])('returns undefined for %s', (_what, error) => {
  expect(validationErrorsOf(error)).toBeUndefined();
});
