/**
 * Docs: the methods as Markdown, from their declarations: the table in README.md and the whole of METHODS.md. A test
 * compares both with the files.
 */

import { METHODS } from './index.ts';
import { FAMILIES, type Method, type Parameter, type Parameters } from './method.ts';

/** Methods by family, in the order of the families. */
function byFamily(): [string, Method[]][] {
  return FAMILIES.map((family): [string, Method[]] => [
    family,
    [...METHODS.values()].filter((method) => method.family === family),
  ]).filter(([, methods]) => methods.length > 0);
}

function titled({ title, paper }: Method): string {
  return paper === null ? title : `[${title}](${paper})`;
}

/** What takes part in a merge by this method. */
function parents({ base, models }: Method): string {
  const count = models.min === models.max ? `${models.min}` : `${models.min} to ${models.max}`;
  const noun = models.max === 1 ? 'model' : 'models';
  if (base === 'required') return `base and ${count} ${noun}`;
  return base === 'optional' ? `${count} ${noun}, with a base or without` : `${count} ${noun}`;
}

/** The short table: one line per method. */
export function methodsTable(): string {
  const rows = byFamily().flatMap(([family, methods]) => [
    `| **${family}** | | |`,
    ...methods.map((method) => `| \`${method.name}\`, ${titled(method)} | ${method.summary} | ${parents(method)} |`),
  ]);
  return ['| method | what it does | takes |', '|---|---|---|', ...rows].join('\n');
}

/** All of METHODS.md. */
export function methodsReference(): string {
  const sections = byFamily().flatMap(([family, methods]) => [`## ${family}`, '', ...methods.flatMap(section)]);
  return [
    '# Merge methods',
    '',
    'Made from the declarations in `src/methods/`; `npm test -- unit` prints what it should say. Arithmetic is float32,',
    'coefficients, sums and thresholds are exact or float64, and a result is rounded once: what mergekit does with',
    '`dtype: float32` and `out_dtype`. Where results differ from mergekit’s, the method says how and why.',
    '',
    ...sections,
  ].join('\n');
}

function section(method: Method): string[] {
  const rows = [...parameterRows(method.params, ''), ...parameterRows(method.perModel, ', per model')];
  const table = rows.length === 0 ? [] : ['| parameter | default | |', '|---|---|---|', ...rows, ''];
  const known = method.inMergekit ? '' : ' Not in mergekit.';
  const differences = method.differences ?? [];
  return [
    `### \`${method.name}\``,
    '',
    `${titled(method)}. ${method.summary} Takes ${parents(method)}.${known}`,
    '',
    ...table,
    ...(differences.length === 0 ? [] : ['Differs from mergekit:', '', ...differences.map((text) => `- ${text}`), '']),
  ];
}

function parameterRows(parameters: Parameters, suffix: string): string[] {
  return Object.entries(parameters).map(
    ([name, p]) => `| \`${name}\`${suffix} | ${values(p)} | ${p.help}${options(p)} |`,
  );
}

/** The default, in words. */
function values(p: Parameter): string {
  if (p.kind === 'ignored') return 'ignored';
  return p.default === null ? 'off' : String(p.default);
}

function options(p: Parameter): string {
  if (p.kind !== 'choice') return '';
  return p.options.map((own) => `<br>\`${own}\`: ${p.optionHelp[own] ?? ''}`).join('');
}
