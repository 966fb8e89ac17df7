/**
 * Zip reader double: reads a stored zip by its table of contents, for tests that hold `zip-folder.ts` against
 * the format (APPNOTE.TXT 4.3). Not for production: it trusts the file, and knows no zip64.
 */

/** Files of a zip without compression, by name. Throws where there is no table of contents. */
export function unzip(zip: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength);
  const tail = zip.byteLength - 22;
  if (tail < 0 || view.getUint32(tail, true) !== 0x06054b50) throw new Error('no table of contents');
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let at = view.getUint32(tail + 16, true);
  for (let i = 0; i < view.getUint16(tail + 10, true); i++) {
    if (view.getUint32(at, true) !== 0x02014b50) throw new Error('broken table of contents');
    if (view.getUint16(at + 10, true) !== 0) throw new Error('compressed');
    const size = view.getUint32(at + 24, true);
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(zip.subarray(at + 46, at + 46 + nameLength));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    files.set(name, zip.slice(start, start + size));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return files;
}

/** A destination that keeps what it gets. */
export function collector() {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let state: 'open' | 'closed' | 'aborted' = 'open';
  const stream = new WritableStream<Uint8Array<ArrayBuffer>>({
    write(chunk) {
      chunks.push(chunk);
    },
    close() {
      state = 'closed';
    },
    abort() {
      state = 'aborted';
    },
  });
  return {
    stream,
    isClosed: () => state === 'closed',
    isAborted: () => state === 'aborted',
    bytes(): Uint8Array<ArrayBuffer> {
      const all = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      return all;
    },
  };
}
