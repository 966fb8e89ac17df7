#!/usr/bin/env node
/**
 * Fusewright on the command line: makes sure that it is installed and built, says nothing about it unless that fails,
 * and hands over to `src/cli/main.ts`. Not the command line itself.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, TARGETS } from './build.mjs';
import { ensureInstalled } from './install.mjs';

/** Makes the command line ready. @returns {Promise<boolean>} false where it could not be, with the reason on stderr */
async function prepare() {
  try {
    ensureInstalled({ quiet: true });
    await ensureBuilt('cli', { quiet: true });
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
}

if (await prepare()) await import(pathToFileURL(join(TARGETS.cli.folder, TARGETS.cli.entry)).href);
else process.exitCode = 1;
