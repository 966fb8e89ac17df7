/**
 * Docs: the methods as a Markdown table, from their declarations. README.md holds it between two marks, and a test
 * compares them.
 */

import { METHODS } from './index.ts';
import type { Parameter, Parameters } from './method.ts';

/** The table of all methods. */
export function methodsTable(): string {
  const rows = [...METHODS.values()].map((method) => {
    const title = method.paper === null ? method.title : `[${method.title}](${method.paper})`;
    const parameters = [described(method.params, ''), described(method.perModel, ' per model')]
      .filter(Boolean)
      .join('<br>');
    const base = method.base === 'required' ? 'yes' : 'no';
    return `| \`${method.name}\`, ${title} | ${method.summary} | ${base} | ${parameters} |`;
  });
  return ['| method | what it does | base | parameters |', '|---|---|---|---|', ...rows].join('\n');
}

function described(parameters: Parameters, suffix: string): string {
  return Object.entries(parameters)
    .filter(([, p]) => p.kind !== 'ignored')
    .map(([name, p]) => {
      return `\`${name}\`${suffix} (${values(p)}). ${p.help}`;
    })
    .join('<br>');
}

/** The default; of a choice all words, the default in bold. */
function values(p: Parameter): string {
  if (p.kind === 'choice') return p.options.map((own) => (own === p.default ? `**${own}**` : own)).join(', ');
  return p.kind === 'ignored' || p.default === null ? 'off' : String(p.default);
}
