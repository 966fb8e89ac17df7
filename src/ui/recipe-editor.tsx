/** The recipe as text, with what is wrong with it by line. */

import { Button, Popover } from '@mantine/core';
import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import IconDownload from '@tabler/icons-react/dist/esm/icons/IconDownload.mjs';
import IconFolderOpen from '@tabler/icons-react/dist/esm/icons/IconFolderOpen.mjs';
import { lazy, Suspense, useId, useRef, useState } from 'react';
import { FileButton } from './add-files.tsx';
import { Fallible } from './fallible.tsx';
import { PopOut } from './pop-out.tsx';
import type { FieldFocus } from './recipe-code.tsx';
import type { RecipeCodeNames } from './recipe-code-view.ts';
import styles from './recipe-editor.module.css';
import { useEnabled, useStudio, useWorkbench } from './workbench-context.ts';

/** The code editor is most of what the column weighs; until it is here the text stands in a plain field. */
const RecipeCode = lazy(async () => ({ default: (await import('./recipe-code.tsx')).RecipeCode }));

const HINT = 'Ctrl+Space suggests what can be written; F8 goes to the next problem; Tab leaves the editor.';

const NAMES: RecipeCodeNames = { label: 'Recipe', describedBy: 'recipe-problems recipe-hint' };

/** The plain field is as high as the editor, which shows from six to twenty-four lines. */
const LEAST_LINES = 6;
const MOST_LINES = 24;

export function RecipeEditor() {
  const { surroundings } = useWorkbench();
  const text = useStudio((state) => state.text);
  const problems = useStudio((state) => state.problems);
  const focus = useRef<FieldFocus | null>(null);
  const noteFocus = (own: FieldFocus | null) => {
    focus.current = own;
  };
  const takeFocus = () => focus.current;
  return (
    <section className={styles.section}>
      <div className={styles.head}>
        <h2>Recipe</h2>
        <FileButton
          label="Open"
          icon={<IconFolderOpen size={13} aria-hidden />}
          attributes={{ accept: '.yml,.yaml', multiple: false, 'aria-label': 'Open a recipe file' }}
          isQuiet
        />
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconDownload size={13} aria-hidden />}
          disabled={text.trim() === ''}
          onClick={() =>
            surroundings.download(new File([text], 'fusewright.yml', { type: 'application/yaml' }), 'fusewright.yml')
          }
        >
          Download
        </Button>
        <CopyMenu />
      </div>
      <Fallible fallback={<PlainField onFocusChange={noteFocus} />}>
        <Suspense fallback={<PlainField onFocusChange={noteFocus} />}>
          <RecipeCode names={NAMES} takeFocus={takeFocus} />
        </Suspense>
      </Fallible>
      <p id="recipe-hint" className={styles.hint}>
        {HINT}
      </p>
      <ul id="recipe-problems" className={styles.problems} aria-live="polite">
        {problems.map(({ line, column, message, words }) => (
          <li key={`${line}:${column}:${message}`}>
            <span className={styles.line}>
              line {line}, column {column}
            </span>{' '}
            {message}
            {words !== undefined && (
              <details className={styles.words}>
                <summary>What the parser says</summary>
                {words}
              </details>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The text without the editor: while that is being loaded, and where it cannot be. */
function PlainField({ onFocusChange }: { onFocusChange: (focus: FieldFocus | null) => void }) {
  const { studio } = useWorkbench();
  const text = useStudio((state) => state.text);
  const isWrong = useStudio((state) => state.problems.length > 0);
  const lines = text.split('\n').length;
  const note = ({ selectionStart, selectionEnd }: HTMLTextAreaElement) =>
    onFocusChange({ from: selectionStart, to: selectionEnd });
  return (
    <textarea
      aria-label={NAMES.label}
      aria-describedby={NAMES.describedBy}
      aria-invalid={isWrong}
      className={styles.plain}
      rows={Math.min(MOST_LINES, Math.max(LEAST_LINES, lines))}
      spellCheck={false}
      autoCapitalize="off"
      autoComplete="off"
      value={text}
      onChange={(event) => {
        const next = event.currentTarget.value;
        studio.edit(() => next, 'typing');
      }}
      onSelect={(event) => note(event.currentTarget)}
      onBlur={() => onFocusChange(null)}
    />
  );
}

/** The recipe for other places. What mergekit cannot be given says why. */
function CopyMenu() {
  const { output, commands } = useWorkbench();
  const text = useStudio((state) => state.text);
  const canCopy = useEnabled(commands.copyMergekit);
  const reasonId = useId();
  const [isOpen, setOpen] = useState(false);
  const take = (act: () => unknown) => {
    setOpen(false);
    void act();
  };
  const obstacle = commands.copyMergekit.obstacle?.() ?? null;
  return (
    <PopOut opened={isOpen} onChange={setOpen} position="bottom-end">
      <Popover.Target>
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconCopy size={13} aria-hidden />}
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          disabled={text.trim() === ''}
          onClick={() => setOpen((was) => !was)}
        >
          Copy
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <div role="dialog" aria-label="Copy" className={styles.copy}>
          <Button variant="subtle" color="gray" onClick={() => take(() => output.copy(text, 'The recipe'))}>
            Copy the recipe
          </Button>
          <Button
            variant="subtle"
            color="gray"
            aria-describedby={obstacle === null ? undefined : reasonId}
            disabled={!canCopy}
            onClick={() => take(commands.copyMergekit.perform)}
          >
            {commands.copyMergekit.label}
          </Button>
          {obstacle !== null && (
            <p id={reasonId} className={styles.reason}>
              {obstacle}
            </p>
          )}
        </div>
      </Popover.Dropdown>
    </PopOut>
  );
}
