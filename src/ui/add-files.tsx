/** The two ways to pick files with a dialog: several files, or a whole folder. */

import IconFiles from '@tabler/icons-react/dist/esm/icons/IconFiles.mjs';
import IconFolder from '@tabler/icons-react/dist/esm/icons/IconFolder.mjs';
import { type InputHTMLAttributes, type ReactNode, useCallback } from 'react';
import styles from './add-files.module.css';
import { pickedFiles } from './dropped-files.ts';
import { useWorkbench } from './workbench-context.ts';

/** React's types leave out the attribute that makes an input pick folders. */
const FOLDERS = { webkitdirectory: '' } as InputHTMLAttributes<HTMLInputElement>;

/** A file input that looks like a button; what is picked is opened. */
export function FileButton({
  label,
  icon,
  attributes,
  isQuiet = false,
}: {
  label: string;
  icon: ReactNode;
  attributes?: InputHTMLAttributes<HTMLInputElement>;
  isQuiet?: boolean;
}) {
  const { studio } = useWorkbench();
  // On the element itself: while the first files open, the welcome page gives way to the list and its inputs go. What
  // was picked through one that is gone must arrive all the same, and React does not hear of it.
  const listen = useCallback(
    (input: HTMLInputElement | null) => {
      input?.addEventListener('change', () => {
        void studio.open(pickedFiles(input.files));
        // The same files can be picked again after they were removed.
        input.value = '';
      });
    },
    [studio],
  );
  return (
    <label className={styles.button} data-quiet={isQuiet || undefined}>
      {icon}
      <span>{label}</span>
      <input type="file" multiple className={styles.input} ref={listen} {...attributes} />
    </label>
  );
}

export function AddFiles() {
  return (
    <div className={styles.row}>
      <FileButton label="Add checkpoints" icon={<IconFiles size={15} aria-hidden />} />
      <FileButton label="Add a folder" icon={<IconFolder size={15} aria-hidden />} attributes={FOLDERS} />
    </div>
  );
}
