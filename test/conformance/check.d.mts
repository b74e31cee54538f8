import type { ConformanceCase } from './cases.mjs';
import type { Reader } from './readers.mjs';

export declare function isFor(name: string, one: ConformanceCase): boolean;
export declare function checkSplits(open: () => Reader, one: ConformanceCase, isSample: boolean): Promise<number>;
export declare function checkPlace(open: () => Reader, one: ConformanceCase, isLate: boolean): Promise<void>;
