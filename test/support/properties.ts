/** fast-check with the seed of the run. It stands apart from random.ts because it takes a while to load. */
import fc from 'fast-check';
import { seed } from './random.js';

fc.configureGlobal({ seed });
export { fc };
