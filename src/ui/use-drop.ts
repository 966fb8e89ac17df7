/** Files and folders may be dropped anywhere on the page. */

import { useEffect, useState } from 'react';
import { toReport } from '../bytes/fault.ts';
import { droppedFiles } from './dropped-files.ts';
import { useWorkbench } from './workbench-context.ts';

/** Listens for drops; true while files are held over the page. */
export function useDrop(): boolean {
  const { studio } = useWorkbench();
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
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      setIsOver(false);
      droppedFiles(event.dataTransfer.items).then(
        (files) => studio.open(files),
        (thrown: unknown) => studio.store.setState({ fault: toReport(thrown) }),
      );
    };
    window.addEventListener('dragover', onOver);
    window.addEventListener('dragleave', onLeave);
    window.addEventListener('drop', onDrop);
    return () => {
      window.removeEventListener('dragover', onOver);
      window.removeEventListener('dragleave', onLeave);
      window.removeEventListener('drop', onDrop);
    };
  }, [studio]);
  return isOver;
}
