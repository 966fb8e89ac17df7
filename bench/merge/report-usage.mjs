/**
 * Report usage: loaded into a Node process with `--import`, writes what that process took into the file that
 * FUSEWRIGHT_BENCH_USAGE names when it ends. Threads are counted; processes that it started are not.
 */

import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['FUSEWRIGHT_BENCH_USAGE'];
if (isMainThread && file !== undefined && file !== '') {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    writeFileSync(
      file,
      JSON.stringify({
        userSeconds: userCPUTime / 1e6,
        systemSeconds: systemCPUTime / 1e6,
        // Kibibytes on every system.
        peakBytes: maxRSS * 1024,
      }),
    );
  });
}
