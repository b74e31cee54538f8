/** The validation of a body by Nest's pipe, and nothing else: what a validated message costs at least. */
import 'reflect-metadata';
import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { ValidationPipe } from '@nestjs/common';
import { OrderBody } from './bodies.mjs';
import { obey } from './control.mjs';

const pipe = new ValidationPipe({ transform: true });

/** Validates bodies for some time, with pauses in which the process can be asked. @returns how many */
async function validate({ seconds }) {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  for (; performance.now() < until; count += 1000) {
    for (let i = 0; i < 1000; i++) {
      const body = JSON.parse('{"text":"hello","amount":42}');
      await pipe.transform(body, { type: 'body', metatype: OrderBody, data: undefined });
    }
    await turn();
  }
  return { count };
}

obey(0, { validate });
