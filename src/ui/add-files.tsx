/** The two ways to pick files with a dialog: several files, or a whole folder. */

import IconFiles from '@tabler/icons-react/dist/esm/icons/IconFiles.mjs';
import IconFolder from '@tabler/icons-react/dist/esm/icons/IconFolder.mjs';
import { type InputHTMLAttributes, type ReactNode, useCallback } from 'react';
import { toReport } from '../bytes/fault.ts';
import { filesOf } from '../state/kept-files.ts';
import styles from './add-files.module.css';
import { pickedFiles } from './dropped-files.ts';
import { hasHandlePicker, pickHandles } from './handle-picker.ts';
import { useWorkbench } from './workbench-context.ts';

/** React's types leave out the attribute that makes an input pick folders. */
const FOLDERS = { webkitdirectory: '' } as InputHTMLAttributes<HTMLInputElement>;

/**
 * A file input that looks like a button; what is picked is opened. With `dialog`, the browser's dialog that gives handles
 * stands in for the input's where there is one, so that the files can be found again on another visit.
 */
export function FileButton({
  label,
  icon,
  attributes,
  dialog,
  isQuiet = false,
}: {
  label: string;
  icon: ReactNode;
  attributes?: InputHTMLAttributes<HTMLInputElement>;
  dialog?: 'files' | 'folder';
  isQuiet?: boolean;
}) {
  const { studio, workspace } = useWorkbench();
  // On the element itself: while the first files open, the welcome page gives way to the list and its inputs go. What
  // was picked through one that is gone must arrive all the same, and React does not hear of it.
  const listen = useCallback(
    (input: HTMLInputElement | null) => {
      input?.addEventListener('change', () => {
        void workspace.open({ files: pickedFiles(input.files), handles: [] });
        // The same files can be picked again after they were removed.
        input.value = '';
      });
      if (dialog === undefined || !hasHandlePicker(dialog)) return;
      let isOwnDialog = false;
      const pick = async () => {
        const handles = await pickHandles(dialog);
        if (handles === null) {
          isOwnDialog = true;
          input?.click();
          isOwnDialog = false;
        } else if (handles.length > 0) await workspace.open({ files: await filesOf(handles), handles });
      };
      input?.addEventListener('click', (event) => {
        if (isOwnDialog) return;
        event.preventDefault();
        pick().catch((thrown: unknown) => studio.store.setState({ fault: toReport(thrown) }));
      });
    },
    [studio, workspace, dialog],
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
      <FileButton label="Add checkpoints" icon={<IconFiles size={15} aria-hidden />} dialog="files" />
      <FileButton
        label="Add a folder"
        icon={<IconFolder size={15} aria-hidden />}
        attributes={FOLDERS}
        dialog="folder"
      />
    </div>
  );
}
