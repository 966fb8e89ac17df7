import { createWriteStream } from 'node:fs';
import { Writable } from 'node:stream';
import { it } from 'vitest';
import { zipFolder } from './zip-folder.ts';
it('4GB', { timeout: 300000 }, async () => {
  const folder = zipFolder(Writable.toWeb(createWriteStream('/tmp/adhoc/out.zip')) as WritableStream<Uint8Array<ArrayBuffer>>, {root: 'm'});
  const chunk = new Uint8Array(64 * 2 ** 20).map((_, i) => i * 7 + (i >> 8));
  const t0 = performance.now(); let peak = 0;
  for (const [name, chunks] of [['a', 1], ['big', 66], ['after', 2]] as const) {
    const sink = await folder.file(name, chunks * chunk.byteLength);
    for (let i = 0; i < chunks; i++) { await sink.write(chunk); peak = Math.max(peak, process.memoryUsage().rss); }
    await sink.close();
  }
  await folder.finish();
  console.log('MB/s', (69 * 64) / ((performance.now() - t0) / 1000), 'peak rss MB', peak / 2 ** 20);
});
