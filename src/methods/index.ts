/**
 * The methods that exist: whatever declarations lie in this folder, found by the bundler. Not a list to edit.
 */

import type { Method } from './method.ts';

const modules = import.meta.glob<Record<string, unknown>>(
  [
    './*.ts',
    '!./*.test.ts',
    '!./method.ts',
    '!./kernel.ts',
    '!./random.ts',
    '!./reads.ts',
    '!./index.ts',
    '!./docs.ts',
  ],
  {
    eager: true,
  },
);

const shaders = import.meta.glob<string>('/shaders/*.wgsl', { eager: true, query: '?raw', import: 'default' });

function isMethod(value: unknown): value is Method {
  return typeof value === 'object' && value !== null && 'reference' in value && 'coefficients' in value;
}

/** Every method by its recipe name, in alphabetical order. */
export const METHODS: ReadonlyMap<string, Method> = new Map(
  Object.values(modules)
    .flatMap((module) => Object.values(module).filter(isMethod))
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((method) => [method.name, method]),
);

/** The text of `shaders/<name>.wgsl`. Throws where there is none: that is a defect, not a user's mistake. */
export function shaderText(name: string): string {
  const text = shaders[`/shaders/${name}.wgsl`];
  if (text === undefined) throw new Error(`shaders/${name}.wgsl does not exist`);
  return text;
}
