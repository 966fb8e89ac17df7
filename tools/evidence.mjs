/**
 * Evidence: measures merges of the shipped samples and writes `bench/EVIDENCE.md`. `npm run evidence`, or
 * `npm run evidence -- --prompts 20` for a quick look that writes nothing. The measuring is `src/cli/evidence.ts`.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, TARGETS } from './build.mjs';
import { ensureInstalled, ROOT } from './install.mjs';

ensureInstalled({ quiet: true });
await ensureBuilt('cli', { quiet: true });
process.chdir(ROOT);
await import(pathToFileURL(join(TARGETS.cli.folder, 'evidence.js')).href);
