/** The folder of the sockets. It is private to one user, so that the file system decides who may be a worker. */
import { lstatSync, mkdirSync, readdirSync, rmSync, type Stats } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { OptionsError } from '../../errors.js';

/** The address of a unix socket has 104 bytes on some systems, and a file is made under a longer name first. */
const MAX_PATH_BYTES = 100;

const SUFFIX = '.sock';

/** The length of a node's id and of the longest suffix. */
const NAME_BYTES = 20;

export class SocketFolder {
  /** @throws OptionsError when no socket can be in it */
  constructor(readonly path: string) {
    const length = Buffer.byteLength(path) + NAME_BYTES;
    if (process.platform === 'win32') throw new OptionsError('REALTIME_BROKER=workers does not work on Windows');
    if (length <= MAX_PATH_BYTES) return;
    throw new OptionsError(
      `The folder of the workers' sockets is too long: ${path} may have ${MAX_PATH_BYTES - NAME_BYTES} bytes. ` +
        'Set REALTIME_WORKERS_FOLDER to a shorter one',
    );
  }

  /**
   * Makes the folder if there is none.
   *
   * @throws OptionsError when it is not a folder of this user alone
   */
  open(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const fault = faultOf(lstatSync(this.path));
    if (!fault) return;
    throw new OptionsError(
      `The folder of the workers' sockets is not safe: ${this.path} ${fault}. Remove it, or set REALTIME_WORKERS_FOLDER to another one`,
    );
  }

  socketOf(node: string): string {
    return join(this.path, `${node}${SUFFIX}`);
  }

  /** @returns the nodes that have a socket, alive or not */
  nodes(): string[] {
    const names = readdirSync(this.path).filter((name) => name.endsWith(SUFFIX));
    return names.map((name) => name.slice(0, -SUFFIX.length));
  }

  /** Removes the socket of a node that is not there any more. */
  forget(node: string): void {
    rmSync(this.socketOf(node), { force: true });
  }

  /** Removes the socket of a node, if nobody listens there any more. */
  sweep(node: string): void {
    const socket = connect(this.socketOf(node)).unref();
    socket.once('connect', () => socket.destroy());
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') this.forget(node);
    });
  }
}

/** @param found what `lstat` returned: a symbolic link is not followed */
function faultOf(found: Stats): string | undefined {
  const me = process.geteuid?.();
  if (!found.isDirectory()) return 'is not a folder';
  if (found.uid !== me) return `belongs to the user ${found.uid}, and this process runs as ${me}`;
  const mode = found.mode & 0o777;
  return (mode & 0o077) === 0 ? undefined : `can be used by others (its mode is ${mode.toString(8)}, not 700)`;
}
