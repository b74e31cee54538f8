/** One invalid field, for the client; its value is left out. */
export interface FieldError {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly code?: string;
}

interface Issue {
  readonly message: string;
  readonly path?: readonly unknown[];
  readonly code?: unknown;
}

interface ClassValidatorError {
  readonly property: string;
  readonly constraints?: Readonly<Record<string, string>>;
  readonly children?: readonly ClassValidatorError[];
}

/**
 * The invalid fields that a validation library reports: zod, valibot and all others of the Standard Schema family throw
 * an error with `issues`, class-validator rejects with a list of its ValidationErrors.
 *
 * @returns undefined when the error does not come from such a library
 */
export function validationErrorsOf(error: unknown): FieldError[] | undefined {
  if (isIssues(error)) return error.issues.map(ofIssue);
  return isClassValidatorList(error) ? error.flatMap((each) => ofClassValidator(each, [])) : undefined;
}

function isIssues(error: unknown): error is { issues: Issue[] } {
  if (!(error instanceof Error) || !('issues' in error) || !Array.isArray(error.issues)) return false;
  return error.issues.every((issue: Partial<Issue> | null) => typeof issue?.message === 'string');
}

function ofIssue({ message, path = [], code }: Issue): FieldError {
  const keys = path.map((step) => (typeof step === 'object' && step !== null && 'key' in step ? step.key : step));
  return { path: keys.map(nameOf), message, ...(typeof code === 'string' && { code }) };
}

function nameOf(key: unknown): string | number {
  return typeof key === 'number' ? key : String(key);
}

function isClassValidatorList(error: unknown): error is ClassValidatorError[] {
  if (!Array.isArray(error) || error.length === 0) return false;
  return error.every((each: Partial<ClassValidatorError> | null) => {
    return typeof each?.property === 'string' && (each.constraints !== undefined || Array.isArray(each.children));
  });
}

function ofClassValidator(error: ClassValidatorError, above: readonly string[]): FieldError[] {
  const path = [...above, error.property];
  const own = Object.entries(error.constraints ?? {}).map(([code, message]) => ({ path, message, code }));
  return [...own, ...(error.children ?? []).flatMap((child) => ofClassValidator(child, path))];
}
