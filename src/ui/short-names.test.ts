import { describe, expect, it } from 'vitest';
import { shortNames } from './short-names.ts';

describe('shortNames', () => {
  it('drops what all names begin with, up to a separator', () => {
    expect(shortNames(['parrot-shout', 'parrot-spell'])).toEqual(['shout', 'spell']);
    expect(shortNames(['Qwen2-0.5B-math', 'Qwen2-0.5B-chat'])).toEqual(['math', 'chat']);
  });
  it('drops what all names end with, up to a separator', () => {
    expect(shortNames(['llama-math-v2', 'llama-chat-v2'])).toEqual(['math', 'chat']);
    expect(shortNames(['a-🦜-it', 'b-🦜-it'])).toEqual(['a', 'b']);
    expect(shortNames(['math.bf16', 'bf16'])).toEqual(['math.bf16', 'bf16']);
    expect(shortNames(['base-instruct', 'instruct'])).toEqual(['base-instruct', 'instruct']);
  });
  it('does not cut within a word', () => {
    expect(shortNames(['spell', 'speak'])).toEqual(['spell', 'speak']);
  });
  it('keeps a single name and names that would vanish', () => {
    expect(shortNames(['parrot-shout'])).toEqual(['parrot-shout']);
    expect(shortNames(['parrot-', 'parrot-shout'])).toEqual(['parrot-', 'parrot-shout']);
    expect(shortNames([])).toEqual([]);
  });
});
