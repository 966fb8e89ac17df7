/**
 * Start: `npm start`. Installs, builds and serves the studio, each only where needed, prints its address and opens it
 * in a browser where there is one. `--port N` asks for a port (the next free one is taken), `--no-open` opens nothing.
 */

import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { parsePort, serve } from './serve.mjs';

/**
 * Asks the desktop to show an address. A machine without a desktop or a browser is no failure: the address is printed.
 * @param {string} address
 */
function openBrowser(address) {
  const { CI, DISPLAY, WAYLAND_DISPLAY } = process.env;
  if (CI !== undefined && CI !== '' && CI !== 'false') return;
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', address]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', address]
        : ['xdg-open', address];
  if (command === 'xdg-open' && DISPLAY === undefined && WAYLAND_DISPLAY === undefined) return;
  if (command === undefined) return;
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

try {
  const { values } = parseArgs({ options: { port: { type: 'string' }, 'no-open': { type: 'boolean' } } });
  const wanted = parsePort(values.port);
  ensureInstalled();
  await ensureBuilt('page');
  const { address, port } = await serve({ port: wanted });
  if (port !== wanted) console.log(`Port ${wanted} is taken.`);
  console.log(`Fusewright is ready at ${address} (this machine only; Ctrl-C stops it).`);
  if (values['no-open'] !== true) openBrowser(address);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
