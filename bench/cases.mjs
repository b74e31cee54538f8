/**
 * What is measured on which servers.
 *
 * @typedef {object} Case
 * @property {string} title the heading of its table
 * @property {string[]} on the contestants of `lib/contestants.mjs` that it measures
 * @property {string} figure the name of the figure that ratios are made of
 * @property {(context) => Promise<object>} measure measures one turn of one server and returns its figures by name;
 *   the runner takes the medians
 * @property {(context) => Promise<void>} [open] opens the connections, once per server
 * @property {boolean} [isFresh] starts new processes for every turn; by default the servers stay up and take turns
 *
 * A context has the `name` of the contestant, its `server`, its `load`, the `seconds` of a turn, and `isQuick`.
 */
import {
  echo,
  fan,
  growth,
  handshake,
  heartbeat,
  life,
  memory,
  paced,
  storm,
  to10k,
  validated,
} from './lib/measures.mjs';

const ALL = ['ws', 'WsAdapter', 'IoAdapter', 'bun', 'realtime'];
const CPU = 'cpu µs';

/** @type {Record<string, Case>} */
export const cases = {
  'echo-1': { title: 'Echo 64 B, 64 connections, 1 in flight', on: ALL, figure: CPU, ...echo('echo', 64, 1) },
  'echo-16': { title: 'Echo 64 B, 64 connections, 16 in flight', on: ALL, figure: CPU, ...echo('echo', 64, 16) },
  'echo-async': {
    title: 'Echo 64 B, an async hook, 16 in flight',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...echo('async', 64, 16),
  },
  'echo-16k': {
    title: 'Echo 16 KiB, 64 connections, 1 in flight (binary; JSON text on the adapters)',
    on: [...ALL, 'ws+bufferutil'],
    figure: CPU,
    ...echo('echo', 16_384, 1, true),
  },
  'echo-16k-text': {
    title: 'Echo 16 KiB as text: the message is decoded and encoded again',
    on: ['ws', 'ws+bufferutil', 'realtime'],
    figure: CPU,
    ...echo('text', 16_384, 1),
  },
  tls: {
    title: 'Echo 64 B over TLS, 64 connections, 1 in flight',
    on: ['ws+tls', 'realtime+tls'],
    figure: CPU,
    ...echo('echo', 64, 1),
  },
  'tls-16k': {
    title: 'Echo 16 KiB over TLS, binary, 1 in flight',
    on: ['ws+tls', 'realtime+tls'],
    figure: CPU,
    ...echo('echo', 16_384, 1, true),
  },
  'echo-compressed': {
    title: 'Echo 64 B where compression is on, 16 in flight (the clients of this benchmark do not ask for it)',
    on: ['realtime', 'realtime+compression'],
    figure: CPU,
    ...echo('echo', 64, 16),
  },
  latency: { title: 'Echo 64 B at 5,000 messages/s', on: ALL, figure: 'p99 ms', ...paced(5000) },
  'json-1': { title: '@SubscribeMessage echo, 64 B, 1 in flight', on: ALL, figure: CPU, ...echo('json', 64, 1) },
  'json-16': { title: '@SubscribeMessage echo, 64 B, 16 in flight', on: ALL, figure: CPU, ...echo('json', 64, 16) },
  'guarded-16': {
    title: '@SubscribeMessage echo with a guard and a pipe, 16 in flight',
    on: ['WsAdapter', 'IoAdapter', 'realtime'],
    figure: CPU,
    ...echo('guarded', 64, 16),
  },
  'validated-16': {
    title: '@SubscribeMessage echo with a guard and a validated body, 16 in flight',
    on: ['WsAdapter', 'IoAdapter', 'validator', 'realtime'],
    figure: CPU,
    ...validated('validated', 64, 16),
  },
  'fan-1': { title: 'Push 128 B to 1,000, one in flight, per delivery', on: ALL, figure: CPU, ...fan('fan', 1000, 1) },
  'fan-8': {
    title: 'Push 128 B to 1,000, eight in flight, per delivery',
    on: [...ALL, 'realtime+window'],
    figure: CPU,
    ...fan('fan', 1000, 8),
  },
  'fan-10k': { title: 'Push 128 B to 10,000, one in flight, per delivery', on: ALL, figure: CPU, ...to10k },
  growth: {
    title: 'Growth of the cost of a delivery from 1,000 receivers to 10,000',
    on: ['ws', 'bun', 'realtime'],
    figure: 'growth %',
    ...growth,
  },
  rooms: {
    title: '10,000 rooms of 10, a push to each, per delivery',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...fan('rooms', 1000, 1),
  },
  tabs: {
    title: '333 users with 3 tabs, a push to each user, per delivery',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...fan('users', 999, 1),
  },
  churn: {
    title: '50 rooms joined and left per message',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...echo('churn', 1, 1),
  },
  memory: { title: 'Memory per idle connection', on: ALL, figure: 'KB', ...memory },
  handshake: { title: 'Handshake', on: [...ALL, 'express'], figure: CPU, ...handshake('echo') },
  'handshake-bare': {
    title: 'Handshake that bypasses the HTTP application (`middleware: false`)',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...handshake('bare'),
  },
  'handshake-middleware': {
    title: 'Handshake through three middlewares',
    on: ['ws', 'realtime', 'realtime+middleware'],
    figure: CPU,
    ...handshake('echo'),
  },
  life: { title: 'Life: open, one echo, closing handshake', on: ALL, figure: CPU, ...life('echo') },
  'life-bare': {
    title: 'Life that bypasses the HTTP application (`middleware: false`)',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...life('bare'),
  },
  'reconnect-storm': {
    title: '5,000 clients come back to a new process',
    on: ['ws', 'WsAdapter', 'IoAdapter', 'realtime'],
    figure: 'cpu s',
    ...storm,
  },
  heartbeat: { title: 'Heartbeat of 10,000 idle connections', on: ['ws', 'realtime'], figure: 'core %', ...heartbeat },
};
