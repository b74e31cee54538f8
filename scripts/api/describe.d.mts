import type { Program } from 'typescript';

/** The public types of an entry point as TypeScript that is not formatted yet. */
export function describe(program: Program, folder: string, entry: string): string;
