/**
 * Runtime: onnxruntime-web, loaded once for the place we are in, from our own files and never from a CDN. In a
 * browser it is the WebGPU build (which runs on the CPU too), its WASM file an asset of the page; in Node the
 * package's own entry, which finds the file beside itself. Nothing else imports onnxruntime-web at run time.
 *
 * `import.meta.env.SSR` is set when the code is built, so that neither place carries the other's files.
 */

import type * as Onnxruntime from 'onnxruntime-web';

export type Runtime = typeof Onnxruntime;

let loading: Promise<Runtime> | null = null;

/** Gives the runtime; the second call gives the same one. Rejects only where its files cannot be loaded. */
export function loadRuntime(): Promise<Runtime> {
  loading ??= load().catch((cause: unknown) => {
    // The next chat tries again: the cause may have been a connection that is back by then.
    loading = null;
    throw cause;
  });
  return loading;
}

async function load(): Promise<Runtime> {
  let runtime: Runtime;
  if (import.meta.env.SSR) {
    runtime = await import('onnxruntime-web');
  } else {
    const [module, file] = await Promise.all([
      import('onnxruntime-web/webgpu'),
      import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'),
    ]);
    runtime = module;
    runtime.env.wasm.wasmPaths = { wasm: new URL(file.default, import.meta.url).href };
  }
  // More threads need shared memory, which a page has only when its server sends the isolation headers.
  const isIsolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
  runtime.env.wasm.numThreads = isIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  runtime.env.logLevel = 'error';
  return runtime;
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs one piece of onnxruntime work after the other, whichever session it belongs to: the runtime has one stack.
 * A failure rejects its own promise only; the work behind it runs all the same.
 */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work);
  last = turn.catch(() => undefined);
  return turn;
}
