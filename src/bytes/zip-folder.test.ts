import { describe, expect, it } from 'vitest';
import { OutputFault } from './fault.ts';
import { zipFolder } from './zip-folder.ts';
import { collector, unzip } from './zip-reader-double.ts';

const MIB = 2 ** 20;

describe('zipFolder', () => {
  it('puts everything into a root folder where it is asked to', async () => {
    const zip = collector();
    const folder = zipFolder(zip.stream, { root: 'merged' });
    const sink = await folder.file('é.json', 2);
    await sink.write(Uint8Array.of(1, 2));
    await sink.close();
    await folder.finish();
    expect([...unzip(zip.bytes())]).toEqual([['merged/é.json', Uint8Array.of(1, 2)]]);
  });

  it('keeps pace with its destination and holds only a few pieces', async () => {
    let received = 0;
    let release = () => {};
    const slow = new WritableStream<Uint8Array>({
      write(chunk) {
        received += chunk.byteLength;
        return new Promise((resolve) => {
          release = resolve;
        });
      },
    });
    const folder = zipFolder(slow);
    let isWritten = false;
    let finished = false;
    const work = (async () => {
      const sink = await folder.file('large', 40 * MIB);
      await sink.write(new Uint8Array(40 * MIB));
      isWritten = true;
      await sink.close();
      await folder.finish();
      finished = true;
    })();
    const tick = () => new Promise((resolve) => setTimeout(resolve, 1));
    for (let i = 0; i < 10; i++) {
      release();
      await tick();
    }
    for (let i = 0; i < 20; i++) await tick();
    expect(received).toBeLessThan(12 * MIB);
    expect(isWritten).toBe(false);
    while (!finished) {
      release();
      await tick();
    }
    await work;
    expect(received).toBeGreaterThan(40 * MIB);
  });

  it('has no table of contents before it is finished', async () => {
    const zip = collector();
    const folder = zipFolder(zip.stream);
    const sink = await folder.file('a', 3 * MIB);
    await sink.write(new Uint8Array(3 * MIB));
    await sink.close();
    expect(() => unzip(zip.bytes())).toThrow('no table of contents');
    await folder.abort();
    expect(zip.isAborted()).toBe(true);
    expect(zip.isClosed()).toBe(false);
    expect(() => unzip(zip.bytes())).toThrow('no table of contents');
  });

  it.each(['write', 'close'])('frees a writer with an OutputFault where the destination fails to %s', async (step) => {
    const full = new DOMException('disk full', 'QuotaExceededError');
    const folder = zipFolder(
      new WritableStream({
        write: () => (step === 'write' ? Promise.reject(full) : Promise.resolve()),
        close: () => Promise.reject(full),
      }),
    );
    const work = async () => {
      for (const name of ['a', 'b']) {
        const sink = await folder.file(name, 8 * MIB);
        for (let i = 0; i < 8; i++) await sink.write(new Uint8Array(MIB));
        await sink.close();
      }
      await folder.finish();
    };
    const done = work();
    await expect(done).rejects.toThrow(OutputFault);
    await expect(done).rejects.toThrow(/no room left/);
    await folder.abort();
  });

  it('frees a writer that waits when it is aborted', async () => {
    const folder = zipFolder(new WritableStream({ write: () => new Promise((resolve) => setTimeout(resolve, 20)) }));
    const sink = await folder.file('a', 100 * MIB);
    const stuck = sink.write(new Uint8Array(100 * MIB));
    const outcome = expect(stuck).rejects.toThrow(OutputFault);
    await folder.abort();
    await outcome;
  });
});
