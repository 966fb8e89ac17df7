/** Files that the operating system opens with the installed page: as if they had been dropped on it. */

import { useEffect } from 'react';
import { toReport } from '../bytes/fault.ts';
import { useWorkbench } from './workbench-context.ts';

/** Chromium's queue of launches, which the DOM's types leave out. */
interface WithLaunchQueue {
  readonly launchQueue?: {
    setConsumer(consumer: (launch: { readonly files: readonly FileSystemFileHandle[] }) => void): void;
  };
}

export function useLaunchedFiles(): void {
  const { studio, workspace } = useWorkbench();
  useEffect(() => {
    const { launchQueue } = window as WithLaunchQueue;
    launchQueue?.setConsumer(({ files }) => {
      Promise.all(files.map(async (handle) => ({ path: handle.name, file: await handle.getFile() }))).then(
        (given) => workspace.open({ files: given, handles: files }),
        (thrown: unknown) => studio.store.setState({ fault: toReport(thrown) }),
      );
    });
  }, [studio, workspace]);
}
