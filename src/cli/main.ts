/**
 * Main: the command line's process: hands over its arguments, streams and signals, and ends with the exit code.
 */

import { run } from './run.ts';

const stop = new AbortController();
// The second signal of a kind finds no listener and ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());

// A reader that went away, as `head` does, is no failure of ours; there is nobody left to tell.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const code = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  kernelWorker: new URL('./kernel-worker.js', import.meta.url),
});

// Dawn keeps the process alive while anything of it is; what was printed has to be out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
