/**
 * Run: one call of the command line, from its arguments to its exit code. Whatever goes wrong ends here as one line.
 */

import { version } from '../../package.json';
import { toReport } from '../bytes/fault.ts';
import { HELP, parseCommand } from './arguments.ts';
import { findDawn, openPlace } from './device.ts';
import { startKernelPool } from './kernel-pool.ts';
import { merge } from './merge.ts';
import { type Stream, Terminal } from './terminal.ts';

/** What a call meets. */
export interface RunSurroundings {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** Stops the work. */
  readonly signal: AbortSignal;
  /** The built `kernel-worker`; null to compute in this thread. */
  readonly kernelWorker: URL | null;
}

/** The exit code of a merge that was written and does not work: it holds NaN or infinity, or is not whole. */
export const AUDIT_FAILED = 3;

/**
 * Runs a call. Never rejects.
 * @returns the exit code: 0, 1 where it was refused or failed, 3 where the merge was written and failed its audit, 130
 *   where it was stopped.
 */
export async function run(args: readonly string[], surroundings: RunSurroundings): Promise<number> {
  const { stdout, stderr, signal, kernelWorker } = surroundings;
  const log = new Terminal(stderr);
  try {
    const command = parseCommand(args);
    if (command.kind === 'help') stdout.write(HELP);
    else if (command.kind === 'version') stdout.write(`${version}\n`);
    else {
      const verdict = await merge(command, {
        out: new Terminal(stdout),
        log,
        signal,
        openPlace: (choice) => openPlace(choice, findDawn, () => (kernelWorker ? startKernelPool(kernelWorker) : [])),
      });
      if (verdict === 'failed') return AUDIT_FAILED;
    }
    return 0;
  } catch (thrown) {
    const { code, message } = toReport(thrown);
    log.line(`fusewright: ${message}`);
    return code === 'cancelled' ? 130 : 1;
  }
}
