/**
 * How the page (`dist/`) and the command line (`dist-cli/`, `vite build --ssr`) are built, and how both are served
 * while working on them. `tools/build.mjs` decides when.
 */

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig(({ isSsrBuild }) => ({
  // Relative addresses: the same build works at any path of any static host.
  base: './',
  // A missing file is a 404 and not the page.
  appType: 'mpa',
  plugins: [react()],
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
