/** The recipe as text, with what is wrong with it by line. */

import { Button, Textarea } from '@mantine/core';
import IconDownload from '@tabler/icons-react/dist/esm/icons/IconDownload.mjs';
import IconFolderOpen from '@tabler/icons-react/dist/esm/icons/IconFolderOpen.mjs';
import IconTerminal from '@tabler/icons-react/dist/esm/icons/IconTerminal2.mjs';
import { FileButton } from './add-files.tsx';
import { CommandButton } from './command-button.tsx';
import styles from './recipe-editor.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

/** Else Mantine drops the two aria attributes below; its types leave this option out. */
const OWN_ARIA = { withAria: false };

export function RecipeEditor() {
  const { studio, surroundings, commands } = useWorkbench();
  const text = useStudio((state) => state.text);
  const problems = useStudio((state) => state.problems);
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
        <CommandButton
          command={commands.copyMergekit}
          variant="subtle"
          size="compact-xs"
          icon={<IconTerminal size={13} aria-hidden />}
        />
      </div>
      <MergekitNote />
      <Textarea
        aria-label="Recipe"
        aria-describedby="recipe-problems"
        {...OWN_ARIA}
        aria-invalid={problems.length > 0}
        classNames={{ input: styles.text ?? '' }}
        autosize
        minRows={6}
        maxRows={24}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        value={text}
        onChange={(event) => {
          const next = event.currentTarget.value;
          studio.edit(() => next, 'typing');
        }}
      />
      <ul id="recipe-problems" className={styles.problems} aria-live="polite">
        {problems.map(({ line, column, message }) => (
          <li key={`${line}:${column}:${message}`}>
            <span className={styles.line}>
              line {line}, column {column}
            </span>{' '}
            {message}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Why mergekit cannot be given this recipe, said rather than hidden in a tooltip. */
function MergekitNote() {
  const { commands } = useWorkbench();
  // Again with every text and method.
  useStudio((state) => state.text);
  const hasProblems = useStudio((state) => state.problems.length > 0);
  const obstacle = commands.copyMergekit.obstacle?.() ?? null;
  if (obstacle === null || hasProblems) return null;
  return <p className={styles.note}>{obstacle}</p>;
}
