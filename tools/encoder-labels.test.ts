import { expect, it } from 'vitest';

const SOURCES = import.meta.glob<string>(['/src/**/*.ts', '!/src/**/*.test.ts', '!/src/**/test/**'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

// A recording of onnxruntime's commands (chat/step-recording.ts) tells ours apart by their labels.
it('gives every command encoder of ours a label', () => {
  const calls = Object.entries(SOURCES).flatMap(([path, text]) =>
    [...text.matchAll(/\.createCommandEncoder\(([^)]*)\)/g)].map(([, options = '']) => ({ path, options })),
  );
  expect(calls.length).toBeGreaterThan(5);
  expect(calls.filter(({ options }) => !/label: '.+'/.test(options))).toEqual([]);
});
