/** Mergekit script: a recipe for mergekit as lines for a shell: what to know, the file, the command. Pure. */

import { type MergekitCommand, mergekitCommand } from '../recipe/mergekit-command.ts';

/** The script, or why there is none. */
export type MergekitScript = { readonly script: string } | { readonly obstacle: string };

/** The script for a recipe's text. */
export function mergekitScript(text: string): MergekitScript {
  const made = mergekitCommand(text);
  return 'obstacle' in made ? made : { script: shellText(made) };
}

/** The same without reading again what was read last: pages ask on every change of anything. */
export function rememberingMergekitScript(): (text: string) => MergekitScript {
  let last: { readonly text: string; readonly made: MergekitScript } | null = null;
  return (text) => {
    if (last?.text !== text) last = { text, made: mergekitScript(text) };
    return last.made;
  };
}

function shellText({ recipe, command, notes }: MergekitCommand): string {
  // In quotes the shell changes nothing up to a line that is this word alone.
  let end = 'END_OF_RECIPE';
  while (recipe.split('\n').includes(end)) end += '_';
  const about = notes.map((note) => `# ${note.replace(/\s+/g, ' ')}\n`).join('');
  return `${about}cat > recipe.yml <<'${end}'\n${recipe.endsWith('\n') ? recipe : `${recipe}\n`}${end}\n${command}\n`;
}
