import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isInstalled } from './install.mjs';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

describe('isInstalled', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'fusewright-install-'));
    mkdirSync(join(root, 'node_modules'));
    manifest({ a: '1.0.0' });
    lock({ a: '1.0.0' }, required);
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const required: Record<string, Locked> = {
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b': { version: '2.0.0', integrity: 'sha512-b' },
    'node_modules/b-darwin': { version: '2.0.0', integrity: 'sha512-c', optional: true },
  };
  const write = (path: string, value: unknown): void => writeFileSync(join(root, path), JSON.stringify(value));
  const manifest = (dependencies: Record<string, string>): void => write('package.json', { dependencies });
  const lock = (dependencies: Record<string, string>, packages: Record<string, Locked>): void =>
    write('package-lock.json', { packages: { '': { dependencies }, ...packages } });
  const record = (packages: Record<string, Locked>): void => write('node_modules/.package-lock.json', { packages });
  const { 'node_modules/b-darwin': _other, ...forThisPlatform } = required;

  test('is true where everything required is there, other platforms’ packages or not', () => {
    record(forThisPlatform);
    expect(isInstalled(root)).toBe(true);
    record(required);
    expect(isInstalled(root)).toBe(true);
  });

  test('is false where npm left no record, as after a broken-off install', () => {
    expect(isInstalled(root)).toBe(false);
  });

  test('is false where the record is cut off', () => {
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{"packages": {');
    expect(isInstalled(root)).toBe(false);
  });

  test('is false where a package is missing, of another version, changed, or no longer required', () => {
    const { 'node_modules/b': _b, ...withoutB } = forThisPlatform;
    record(withoutB);
    expect(isInstalled(root)).toBe(false);
    record({ ...forThisPlatform, 'node_modules/b': { version: '2.0.1', integrity: 'sha512-b' } });
    expect(isInstalled(root)).toBe(false);
    record({ ...forThisPlatform, 'node_modules/b': { version: '2.0.0', integrity: 'sha512-x' } });
    expect(isInstalled(root)).toBe(false);
    record({ ...forThisPlatform, 'node_modules/z': { version: '1.0.0' } });
    expect(isInstalled(root)).toBe(false);
  });

  test('is false where package.json asks for what the lockfile does not hold', () => {
    record(forThisPlatform);
    manifest({ a: '1.0.1' });
    expect(isInstalled(root)).toBe(false);
    manifest({ a: '1.0.0', c: '1.0.0' });
    expect(isInstalled(root)).toBe(false);
    manifest({});
    expect(isInstalled(root)).toBe(false);
  });
});
