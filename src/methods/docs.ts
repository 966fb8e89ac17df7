/**
 * Docs: the methods as Markdown, from their declarations: the table in README.md and the whole of METHODS.md. A test
 * compares both with the files.
 */

import { METHODS } from './index.ts';
import { FAMILIES, type Method, type Parameter, type Parameters, type Preset, type PresetValue } from './method.ts';

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
    ...presetLines(method),
    ...(differences.length === 0 ? [] : ['Differs from mergekit:', '', ...differences.map((text) => `- ${text}`), '']),
  ];
}

/** The presets: what each sets, and when to use it. */
function presetLines({ presets = [] }: Method): string[] {
  if (presets.length === 0) return [];
  const line = ({ name, when, params, perModel }: Preset) => {
    const settings = Object.entries({ ...params, ...perModel }).map(
      ([key, value]) => `\`${key}: ${presetText(value)}\``,
    );
    return `- *${name}*${settings.length === 0 ? '' : ` (${settings.join(', ')})`}: ${when}`;
  };
  return ['Presets:', '', ...presets.map(line), ''];
}

/** A preset's value in words; null is unset. */
export function presetText(value: PresetValue): string {
  const list = (own: unknown) => (Array.isArray(own) ? `[${own.join(', ')}]` : String(own));
  if (value === null) return 'off';
  if (typeof value !== 'object') return String(value);
  const entries = value.map((item) =>
    typeof item === 'object' ? `${item.filter ?? 'the rest'} ${list(item.value)}` : item,
  );
  return entries.every((item) => typeof item === 'number') ? list(entries) : entries.join('; ');
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
