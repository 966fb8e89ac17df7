/** The two ways to pick files with a dialog: several files, or a whole folder. */

import IconFiles from '@tabler/icons-react/dist/esm/icons/IconFiles.mjs';
import IconFolder from '@tabler/icons-react/dist/esm/icons/IconFolder.mjs';
import type { ChangeEvent, InputHTMLAttributes, ReactNode } from 'react';
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
  const take = (event: ChangeEvent<HTMLInputElement>) => {
    const input = event.currentTarget;
    void studio.open(pickedFiles(input.files));
    // The same files can be picked again after they were removed.
    input.value = '';
  };
  return (
    <label className={styles.button} data-quiet={isQuiet || undefined}>
      {icon}
      <span>{label}</span>
      <input type="file" multiple className={styles.input} onChange={take} {...attributes} />
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
