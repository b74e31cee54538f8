import { SetMetadata } from '@nestjs/common';

const STREAM = 'nestjs-realtime:stream';

/**
 * Lets a message method reply for as long as it likes: later messages of the connection are handled meanwhile. Without
 * it, the Observable or async generator that a method returns must end before the next message of that connection is
 * handled, so that replies keep the order of their requests.
 *
 * @example
 * @Stream()
 * @SubscribeMessage('ticks')
 * ticks() {
 *   return interval(1000).pipe(map((data) => ({ event: 'tick', data })));
 * }
 */
export const Stream = (): MethodDecorator => SetMetadata(STREAM, true);

export function isStream(method: object): boolean {
  return Reflect.getMetadata(STREAM, method) === true;
}
