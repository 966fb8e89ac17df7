/** Both digests against the published vectors and against each other, in whatever chunks the bytes come. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wasmDigest } from './digest.ts';
import { nodeDigest } from './node-digest.ts';

describe.each([
  ['wasm', wasmDigest],
  ['node', nodeDigest],
])('the %s digest', (_, start) => {
  it('gives the sums that the standard publishes', async () => {
    const empty = await start();
    expect(empty.hex()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    const abc = await start();
    abc.update(new TextEncoder().encode('abc'));
    expect(abc.hex()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('does not depend on the chunks, and two at once keep apart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (chunks) => {
        const [own, other] = [await start(), await start()];
        for (const chunk of chunks) {
          other.update(Uint8Array.of(1));
          own.update(chunk);
        }
        expect(own.hex()).toBe(createHash('sha256').update(Buffer.concat(chunks)).digest('hex'));
      }),
      { numRuns: 30 },
    );
  });
});
