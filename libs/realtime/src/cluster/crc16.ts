/** CRC16 as Redis Cluster computes it (XMODEM: polynomial 0x1021, initial value 0). */

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/**
 * @param text hashed as UTF-8
 * @returns 0 to 65,535
 * @example crc16('123456789'); // 0x31c3
 */
export function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) crc = ((crc << 8) ^ TABLE[(crc >> 8) ^ byte]!) & 0xffff;
  return crc;
}
