/**
 * Serve: the built page on this machine alone, with the headers that a deployment should send too. vite's own preview
 * server does the work; this file holds the policy. Not the development server, and it never builds.
 */

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOT } from './install.mjs';

/** Where the studio is served unless told otherwise. */
export const DEFAULT_PORT = 4173;

/**
 * What the page may do. `connect-src` is the promise that nothing leaves the machine. onnxruntime needs
 * 'wasm-unsafe-eval' and blob workers; Mantine writes its variables into a style element.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every response. */
export const HEADERS = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * Serves `dist/` on 127.0.0.1 until the process ends.
 * @param {{ port?: number, strictPort?: boolean }} [options] strictPort: fail where the port is taken, instead of
 *   trying the next ones
 * @returns {Promise<{ address: string, port: number }>}
 * @throws {Error} where nothing is built or no port is free
 */
export async function serve({ port = DEFAULT_PORT, strictPort = false } = {}) {
  if (!existsSync(join(ROOT, 'dist', 'index.html'))) {
    throw new Error('There is no built page in dist/: run "npm run build" first.');
  }
  const { preview } = await import('vite');
  const server = await preview({
    root: ROOT,
    logLevel: 'warn',
    preview: { host: '127.0.0.1', port, strictPort, open: false, headers: HEADERS },
  });
  const bound = server.httpServer.address();
  if (bound === null || typeof bound === 'string') throw new Error('The server has no port.');
  return { address: `http://localhost:${bound.port}/`, port: bound.port };
}

/**
 * A port number from the command line.
 * @param {string | undefined} text
 * @returns {number}
 */
export function parsePort(text) {
  if (text === undefined) return DEFAULT_PORT;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw new Error(`"${text}" is not a port: give a number from 1 to 65535.`);
  }
  return port;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { values } = parseArgs({ options: { port: { type: 'string' }, 'strict-port': { type: 'boolean' } } });
    const { address } = await serve({ port: parsePort(values.port), strictPort: values['strict-port'] ?? false });
    console.log(address);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
