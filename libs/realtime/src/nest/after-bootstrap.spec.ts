import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import { afterBootstrap } from './after-bootstrap.js';

/** What ran, in order. */
const ran: string[] = [];
const later = async (what: string) => {
  await new Promise(setImmediate);
  ran.push(what);
};

@Module({})
class Imported {
  onApplicationBootstrap() {
    return later('imported');
  }
}
@Module({ imports: [Imported] })
class WithMethod {
  readonly name = 'root';
  onApplicationBootstrap() {
    return later(this.name);
  }
}
@Module({ imports: [Imported] })
class WithField {
  onApplicationBootstrap = () => later('root');
}
@Module({ imports: [Imported] })
class Without {}

beforeEach(() => void ran.splice(0));

describe('afterBootstrap', () => {
  it.each([
    ['has the hook as a method', WithMethod, ['imported', 'root', 'task']],
    ['has the hook as a field', WithField, ['imported', 'root', 'task']],
    ['has no hook', Without, ['imported', 'task']],
  ])('runs the task after the bootstrap hooks of all modules when the root module %s', async (_how, root, expected) => {
    const app = await NestFactory.create(root, { logger: false });
    const instance = app.get(root) as object;
    const before = Object.getOwnPropertyDescriptor(instance, 'onApplicationBootstrap');
    expect(afterBootstrap(app.get(ModulesContainer), () => later('task'))).toBe(true);
    await app.init();
    expect(ran).toEqual(expected);
    expect(Object.getOwnPropertyDescriptor(instance, 'onApplicationBootstrap')).toEqual(before);
    await app.close();
  });
});
