/**
 * Run: one call of the command line, from its arguments to its exit code. Whatever goes wrong ends here as one line.
 */

import { version } from '../../package.json';
import { toReport } from '../bytes/fault.ts';
import { HELP, parseCommand } from './arguments.ts';
import { findDawn, openPlace } from './device.ts';
import { merge } from './merge.ts';
import { startReferencePool } from './reference-pool.ts';
import { type Stream, Terminal } from './terminal.ts';

/** What a call meets. */
export interface RunSurroundings {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** Stops the work. */
  readonly signal: AbortSignal;
  /** The built `reference-worker`; null to compute in this thread. */
  readonly referenceWorker: URL | null;
}

/** Runs a call. Never rejects. @returns the exit code: 0, 1 where it was refused or failed, 130 where it was stopped */
export async function run(args: readonly string[], surroundings: RunSurroundings): Promise<number> {
  const { stdout, stderr, signal, referenceWorker } = surroundings;
  const log = new Terminal(stderr);
  try {
    const command = parseCommand(args);
    if (command.kind === 'help') stdout.write(HELP);
    else if (command.kind === 'version') stdout.write(`${version}\n`);
    else {
      await merge(command, {
        out: new Terminal(stdout),
        log,
        signal,
        openPlace: (choice) =>
          openPlace(choice, findDawn, () => (referenceWorker ? startReferencePool(referenceWorker) : [])),
      });
    }
    return 0;
  } catch (thrown) {
    const { code, message } = toReport(thrown);
    log.line(`fusewright: ${message}`);
    return code === 'cancelled' ? 130 : 1;
  }
}
