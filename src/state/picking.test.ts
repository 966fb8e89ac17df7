import { describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { continuesPick } from './picking.ts';

const files = (...paths: string[]) => paths.map((path) => ({ path, bytes: memoryBytes(path, new Uint8Array()) }));

describe('files picked one by one', () => {
  it('go together while only one pick has weights, or all are shards', () => {
    expect(continuesPick(files('model.safetensors'), files('config.json', 'tokenizer.json'))).toBe(true);
    expect(continuesPick(files('config.json'), files('model.safetensors'))).toBe(true);
    expect(continuesPick(files('m-00001-of-00002.safetensors'), files('m-00002-of-00002.safetensors'))).toBe(true);
  });

  it('begin anew with other weights, with a name that was there, or with a folder', () => {
    expect(continuesPick(files('a.safetensors'), files('b.safetensors'))).toBe(false);
    expect(continuesPick(files('model.safetensors', 'config.json'), files('config.json'))).toBe(false);
    expect(continuesPick(files('model.safetensors'), files('folder/config.json'))).toBe(false);
    expect(continuesPick([], files('config.json'))).toBe(false);
  });
});
