import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  plugins: [react()],
  // Nothing of the environment of whoever builds it gets into the console.
  envPrefix: 'SHEARLINE_CONSOLE_NONE_',
  build: {
    target: 'es2023',
    emptyOutDir: true,
    // Inlined as data: URLs, small files would need a laxer content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One script: behind a function, one request is faster than many, and a deployment never takes away a part that is still to be loaded.
    chunkSizeWarningLimit: 1200,
    sourcemap: false,
  },
  css: { preprocessorOptions: { scss: { quietDeps: true } } },
});
