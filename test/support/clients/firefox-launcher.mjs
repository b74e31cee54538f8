#!/usr/bin/env node
/**
 * Stands between Playwright and a Firefox as distributions have it: Playwright begins each profile with emulations that
 * only later versions of Firefox know. An emulation that this Firefox does not know is answered as done; everything
 * else passes as it is. Playwright starts this file in place of the Firefox that `FIREFOX_PATH` names.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { WebSocket, WebSocketServer } from 'ws';

const firefox = spawn(process.env.FIREFOX_PATH, process.argv.slice(2), { stdio: ['ignore', 'ignore', 'pipe'] });
firefox.on('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => firefox.kill(signal));

createInterface(firefox.stderr).on('line', (line) => {
  const [, url] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
  if (url) listen(url);
  else console.error(line);
});

/** Playwright reads from this line where to connect. */
function listen(url) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('listening', () => console.error(`WebDriver BiDi listening on ws://127.0.0.1:${server.address().port}`));
  server.on('connection', (playwright) => join(playwright, new WebSocket(`${url}/session`)));
}

function join(playwright, browser) {
  const emulations = new Set();
  const held = [];
  playwright.on('message', (data) => {
    const { id, method } = JSON.parse(data);
    if (method.startsWith('emulation.')) emulations.add(id);
    if (browser.readyState === WebSocket.OPEN) browser.send(String(data));
    else held.push(String(data));
  });
  browser.on('open', () => held.forEach((data) => browser.send(data)));
  browser.on('message', (data) => {
    const { id, error } = JSON.parse(data);
    const isUnknown = emulations.delete(id) && error === 'unknown command';
    playwright.send(isUnknown ? JSON.stringify({ type: 'success', id, result: {} }) : String(data));
  });
  playwright.on('close', () => firefox.kill());
  browser.on('close', () => playwright.close());
}
