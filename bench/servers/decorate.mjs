/** Applies decorators without a compiler, because the servers of the benchmark are plain JavaScript. */
import 'reflect-metadata';

/** Decorates methods: `{ name: [decorator, …] }`. */
export function methods(target, table) {
  for (const [name, decorators] of Object.entries(table)) {
    for (const decorator of decorators) {
      decorator(target.prototype, name, Object.getOwnPropertyDescriptor(target.prototype, name));
    }
  }
}

/** Decorates parameters: `{ name: [decorator of the first, of the second, …] }`, with their types. */
export function parameters(target, table, types = {}) {
  for (const [name, decorators] of Object.entries(table)) {
    decorators.forEach((decorator, index) => decorator?.(target.prototype, name, index));
    Reflect.defineMetadata('design:paramtypes', types[name] ?? decorators.map(() => Object), target.prototype, name);
  }
}

/** Names the types that Nest injects into a constructor. */
export function injects(target, ...types) {
  Reflect.defineMetadata('design:paramtypes', types, target);
}
