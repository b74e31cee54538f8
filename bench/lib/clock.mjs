/** @returns milliseconds on a clock that all processes of one machine share, unlike `performance.now()` */
export const now = () => Number(process.hrtime.bigint()) / 1e6;
