/**
 * To await this is one turn of the microtask queue. It is one promise for all turns: jest looks a global up by name, each
 * time, and models of the cluster take millions of turns.
 */
export const SETTLED = Promise.resolve();
