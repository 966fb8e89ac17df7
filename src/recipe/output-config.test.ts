import { describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { outputConfig } from './output-config.ts';

const TEXT = `{
  "zeta": [1, 2],
  "rope_theta": 10000.0,
  "torch_dtype": "float32",
  "rms_norm_eps": 1e-05,
  "unknown": {"torch_dtype": "keep"}
}
`;

describe('outputConfig', () => {
  it('returns the very same text for null', () => {
    expect(outputConfig(TEXT, { outDtype: null })).toBe(TEXT);
    expect(JSON.parse(outputConfig({ b: 1, a: 2 }, { outDtype: null }))).toEqual({ b: 1, a: 2 });
  });

  it('changes the dtype and nothing else, to the character', () => {
    const text = TEXT.replace('{"torch_dtype": "keep"}', '1');
    expect(outputConfig(text, { outDtype: 'BF16' })).toBe(text.replace('"float32"', '"bfloat16"'));
  });

  it('does not touch a dtype that is not its own', () => {
    const out = JSON.parse(outputConfig(TEXT, { outDtype: 'F16' }));
    expect(out).toEqual({ ...JSON.parse(TEXT), torch_dtype: 'float16' });
    expect(Object.keys(out)).toEqual(Object.keys(JSON.parse(TEXT)));
  });

  it('sets the new name where the base has it, both where it has both, and parts of the model', () => {
    const base = {
      dtype: 'float32',
      torch_dtype: null,
      text_config: { dtype: 'float32', n: 1 },
      quantization_config: { dtype: 'x' },
    };
    for (const form of [base, JSON.stringify(base)]) {
      expect(JSON.parse(outputConfig(form, { outDtype: 'BF16' }))).toEqual({
        dtype: 'bfloat16',
        torch_dtype: 'bfloat16',
        text_config: { dtype: 'bfloat16', n: 1 },
        quantization_config: { dtype: 'x' },
      });
    }
  });

  it('adds torch_dtype where there is none', () => {
    expect(outputConfig('{\n  "rope_theta": 10000.0\n}\n', { outDtype: 'F32' })).toBe(
      '{\n  "rope_theta": 10000.0,\n  "torch_dtype": "float32"\n}\n',
    );
    expect(JSON.parse(outputConfig('{}', { outDtype: 'F32' }))).toEqual({ torch_dtype: 'float32' });
    expect(JSON.parse(outputConfig('{"a": "}"}', { outDtype: 'F32' }))).toEqual({ a: '}', torch_dtype: 'float32' });
  });

  it('is not fooled by text in strings', () => {
    const base = { note: 'x "torch_dtype": "float32" y', torch_dtype: 'float32' };
    expect(JSON.parse(outputConfig(JSON.stringify(base), { outDtype: 'F16' }))).toEqual({
      ...base,
      torch_dtype: 'float16',
    });
    const out = outputConfig('{"__proto__": {"a": 1}, "torch_dtype": "float32"}', { outDtype: 'F16' });
    expect(out).toBe('{"__proto__": {"a": 1}, "torch_dtype": "float16"}');
  });

  it.each(['', 'x', '[]', 'null', '3'])('refuses %j', (text) => {
    expect(() => outputConfig(text, { outDtype: 'F32' })).toThrow(MalformedFault);
  });
});
