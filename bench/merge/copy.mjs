/**
 * Copy: the limit that a merge is held against: reads some files and writes the bytes of one, through the same Node calls
 * as the headless tool, computing nothing. `node copy.mjs OUT SOURCE …`; the sources have equal sizes.
 */

import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What the tool reads and writes at a time, about. */
const CHUNK_BYTES = 4 * 2 ** 20;

const [out = '', ...paths] = process.argv.slice(2);
await mkdir(dirname(out), { recursive: true });
const sources = await Promise.all(paths.map((path) => open(path, 'r')));
const target = await open(out, 'wx');
const [first] = sources;
if (first === undefined) throw new Error('copy needs a file to write and files to read');
const { size } = await first.stat();
// Two sets: one is read while the other is written.
const buffers = [0, 1].map(() => sources.map(() => new Uint8Array(CHUNK_BYTES)));
let writing = Promise.resolve();
for (let at = 0, turn = 0; at < size; at += CHUNK_BYTES, turn = 1 - turn) {
  const set = buffers[turn] ?? [];
  const length = Math.min(CHUNK_BYTES, size - at);
  await Promise.all(sources.map((source, k) => source.read(/** @type {Uint8Array} */ (set[k]), 0, length, at)));
  await writing;
  writing = target.write(/** @type {Uint8Array} */ (set[0]), 0, length).then(() => undefined);
}
await writing;
await target.sync();
await Promise.all([target, ...sources].map((file) => file.close()));
