/** comlink ships this file's types under a name that its `.mjs` is not looked up by. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  export { default } from 'comlink/dist/esm/node-adapter';
}
