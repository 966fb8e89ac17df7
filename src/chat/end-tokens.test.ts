import { describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { readEndTokens } from './end-tokens.ts';

const files = (generation: unknown) =>
  new Map([['generation_config.json', JSON.stringify({ eos_token_id: generation })]]);

describe('readEndTokens', () => {
  it('gathers numbers and lists from every place', () => {
    expect([...readEndTokens({ eos_token_id: [1, 2] }, files(3), { eosId: 4 })].sort()).toEqual([1, 2, 3, 4]);
    expect([...readEndTokens({ eos_token_id: 2 }, files([2]), { eosId: 2 })]).toEqual([2]);
    expect([...readEndTokens(null, new Map(), { eosId: null })]).toEqual([]);
    expect([...readEndTokens({ eos_token_id: null }, files(null), { eosId: null })]).toEqual([]);
  });

  it.each(['2', { id: 2 }, 2.5, [1, null]])('refuses %j with the file’s name', (value) => {
    expect(() => readEndTokens(null, files(value), { eosId: null })).toThrow(MalformedFault);
    expect(() => readEndTokens({ eos_token_id: value }, new Map(), { eosId: null })).toThrow(/in config\.json/);
  });
});
