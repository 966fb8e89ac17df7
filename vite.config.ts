/**
 * How the page (`dist/`) and the command line (`dist-cli/`, `vite build --ssr`) are built, and how both are served
 * while working on them. `tools/build.mjs` decides when.
 */

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

/** Beyond this a file of the build has no business in every visitor's cache. The runtime's WebAssembly has 27 MB. */
const LARGEST_KEPT_BYTES = 40_000_000;

/** The service worker: built by itself, with the list of the build's files put into it. */
const serviceWorker = () =>
  VitePWA({
    strategies: 'injectManifest',
    srcDir: 'src/state',
    filename: 'service-worker.ts',
    // The page registers it (src/state/page-keeper.ts); the manifest is a file in public/.
    injectRegister: false,
    manifest: false,
    injectManifest: {
      rollupFormat: 'iife',
      globPatterns: ['**/*'],
      maximumFileSizeToCacheInBytes: LARGEST_KEPT_BYTES,
      // Their names change with their content.
      dontCacheBustURLsMatching: /^assets\//,
    },
  });

export default defineConfig(({ isSsrBuild }) => ({
  // Relative addresses: the same build works at any path of any static host.
  base: './',
  // A missing file is a 404 and not the page.
  appType: 'mpa',
  plugins: [react(), ...(isSsrBuild ? [] : [serviceWorker()])],
  worker: { format: 'es' },
  // onnxruntime finds its wasm beside its own module, which pre-bundling would move.
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  build: isSsrBuild
    ? {
        target: 'node20',
        copyPublicDir: false,
        rolldownOptions: { output: { entryFileNames: '[name].js' } },
      }
    : { target: 'es2023', chunkSizeWarningLimit: 1000 },
}));
