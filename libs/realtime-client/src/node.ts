/** The client outside of a browser: Node 20 has no WebSocket of its own, and uses the package `ws`. */
import { type Connect, connectWith } from './connect.js';
import { ownEnvironment, type WebSocketClass } from './environment.js';
import { ClientError } from './errors.js';

export * from './index.js';
export const connect: Connect = (url, options) =>
  connectWith(
    () => import('./requests/index.js'),
    (given) => {
      const environment = ownEnvironment(given);
      return { ...environment, webSocket: () => environment.webSocket().catch(installed) };
    },
  )(url, options);

/** @throws ClientError `bad_option` where `ws` is not installed */
async function installed(): Promise<WebSocketClass> {
  // Written so that no bundler follows it
  const name = ['w', 's'].join('');
  try {
    const { default: found } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as {
      default: WebSocketClass;
    };
    return found;
  } catch {
    throw new ClientError('bad_option', 'There is no WebSocket here: install ws, or pass its class');
  }
}
