/** Files and folders may be dropped anywhere on the page. */

import { useEffect, useState } from 'react';
import { toReport } from '../bytes/fault.ts';
import { filesOf } from '../state/kept-files.ts';
import { droppedFiles } from './dropped-files.ts';
import { droppedHandles } from './dropped-handles.ts';
import { useWorkbench } from './workbench-context.ts';

/** Listens for drops; true while files are held over the page. */
export function useDrop(): boolean {
  const { studio, workspace } = useWorkbench();
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setIsOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setIsOver(false);
    };
    const openDrop = async (items: DataTransferItemList) => {
      const [files, handles] = await Promise.all([droppedFiles(items), droppedHandles(items)]);
      await workspace.open({ files: files.length > 0 ? files : await filesOf(handles), handles });
    };
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      setIsOver(false);
      openDrop(event.dataTransfer.items).catch((thrown: unknown) => studio.store.setState({ fault: toReport(thrown) }));
    };
    window.addEventListener('dragover', onOver);
    window.addEventListener('dragleave', onLeave);
    window.addEventListener('drop', onDrop);
    return () => {
      window.removeEventListener('dragover', onOver);
      window.removeEventListener('dragleave', onLeave);
      window.removeEventListener('drop', onDrop);
    };
  }, [studio, workspace]);
  return isOver;
}
