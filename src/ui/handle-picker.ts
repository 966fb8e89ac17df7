/**
 * Handle picker: the browser's dialogs that give handles instead of files, by which a later visit can ask for the same
 * files again. Chromium alone has them; elsewhere a file input does (`add-files.tsx`).
 */

interface WithPickers {
  readonly showOpenFilePicker?: (options: {
    readonly id: string;
    readonly multiple: boolean;
  }) => Promise<readonly FileSystemFileHandle[]>;
  readonly showDirectoryPicker?: (options: {
    readonly id: string;
    readonly mode: 'read';
  }) => Promise<FileSystemDirectoryHandle>;
}

/** The dialog opens where it was used last, and elsewhere than the one for saving. */
const ID = 'fusewright-models';
/** A dialog that fails sooner than this was none: nobody can have dismissed it. */
const NO_DIALOG_MS = 300;

/** Whether the browser has such a dialog. */
export function hasHandlePicker(kind: 'files' | 'folder'): boolean {
  const page = window as WithPickers;
  return (kind === 'files' ? page.showOpenFilePicker : page.showDirectoryPicker) !== undefined;
}

/** What a person picked; empty where the dialog was dismissed, null where there was none to see. Within a click. */
export async function pickHandles(kind: 'files' | 'folder'): Promise<readonly FileSystemHandle[] | null> {
  const page = window as WithPickers;
  const askedMs = performance.now();
  try {
    if (kind === 'files') return (await page.showOpenFilePicker?.({ id: ID, multiple: true })) ?? null;
    const folder = await page.showDirectoryPicker?.({ id: ID, mode: 'read' });
    return folder ? [folder] : null;
  } catch {
    return performance.now() - askedMs < NO_DIALOG_MS ? null : [];
  }
}
