import type { Frame } from '../../frame.js';

/**
 * @param encode the text of a frame for one transport
 * @returns the same function, but for a frame that several connections get: that one is encoded once for all of them. Any
 *   other is kept only as it is, and encoded when it is sent
 */
export function onceForAll(encode: (frame: Frame) => string): (frame: Frame) => string {
  const texts = new WeakMap<Frame, string>();
  return (frame) => {
    if (!frame.isShared) return encode(frame);
    let text = texts.get(frame);
    if (text === undefined) texts.set(frame, (text = encode(frame)));
    return text;
  };
}
