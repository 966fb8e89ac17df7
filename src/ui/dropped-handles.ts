/**
 * Dropped handles: what a drop gives beside its files: handles, by which a later visit can ask for the same files again.
 * Chromium alone has them.
 */

/** The part of an item that TypeScript's DOM types leave out. */
interface WithHandle {
  readonly getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
}

/**
 * The handles of everything in a drop; none where one of them is not to be had. Must be called at once in the drop event:
 * the items are gone afterwards.
 */
export function droppedHandles(items: DataTransferItemList): Promise<readonly FileSystemHandle[]> {
  const asked = Array.from(items as Iterable<DataTransferItem & WithHandle>)
    .filter(({ kind }) => kind === 'file')
    .map(async (item) => (await item.getAsFileSystemHandle?.()) ?? null);
  return Promise.all(asked).then(
    (handles) => (handles.includes(null) ? [] : handles.filter((handle) => handle !== null)),
    () => [],
  );
}
