/** Runs the command line in this process and keeps what it says, for tests. */

import { run, type RunSurroundings } from '../run.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One call. Computes on the CPU in this thread unless told otherwise. */
export async function runCli(
  args: readonly string[],
  options: Partial<Pick<RunSurroundings, 'signal' | 'kernelWorker'>> & { onStderr?: (text: string) => void } = {},
): Promise<CliResult> {
  const said = { stdout: '', stderr: '' };
  const code = await run(args, {
    stdout: { write: (text) => (said.stdout += text) },
    stderr: {
      write(text) {
        said.stderr += text;
        options.onStderr?.(text);
      },
    },
    signal: options.signal ?? new AbortController().signal,
    kernelWorker: options.kernelWorker ?? null,
  });
  return { code, ...said };
}
