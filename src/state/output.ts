/**
 * Output: what "Save" does: asks for a folder where the browser can, else hands over a zip. Not the writing itself,
 * which the engine does.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { OutputFault, toReport } from '../bytes/fault.ts';
import type { AuditReport, OnnxDtype, SaveFormat, SaveReport, SaveTarget } from './engine-api.ts';
import { bytesFigure, plural, timeFigure } from './figures.ts';
import type { Follower } from './follow.ts';
import type { Studio } from './studio.ts';
import type { Surroundings } from './surroundings.ts';

/** A picker that fails sooner than this showed no dialog: nobody can have dismissed it. */
const NO_DIALOG_MS = 300;
const MAX_SHARD_BYTES = 5_000_000_000;

const AUDIT_WORDS: Readonly<Record<AuditReport['verdict'], string>> = {
  passed: 'Its audit passed.',
  suspicious: 'Its audit warns. What it found stands below Save.',
  failed: 'Its audit FAILED. What it found stands below Save.',
};

export interface OutputState {
  /** Name of the folder or zip that is made. */
  readonly name: string;
  readonly kind: SaveTarget['kind'];
  readonly format: SaveFormat['kind'];
  /** In which dtypes ONNX is written; at least one. */
  readonly onnxDtypes: readonly OnnxDtype[];
  /** The newest merge that was saved; null before one. */
  readonly saved: SavedMerge | null;
}

/** A merge that was saved, for the page to show. */
export interface SavedMerge {
  /** Such as `merged.zip`, or the name that it was given in a folder. */
  readonly name: string;
  readonly files: SaveReport['files'];
  readonly place: SaveReport['place'];
  readonly audit: AuditReport;
  /** The recipe that it was merged by. */
  readonly recipeText: string;
}

export interface Output {
  readonly store: StoreApi<OutputState>;
  readonly canPickFolder: boolean;
  readonly change: (part: Partial<OutputState>) => void;
  /** Must be called within a click: a browser shows the folder dialog only then. */
  readonly save: () => Promise<void>;
  /** Puts text on the clipboard, and says in the status line that `what` is there, or why it is not. */
  readonly copy: (text: string, what: string) => Promise<void>;
}

/** Why a name cannot be a file's name; null where it can. */
export function nameObstacle(name: string): string | null {
  if (name.trim() === '') return 'Give the result a name.';
  if (/[<>:"/\\|?*\u0000-\u001f]/.test(name) || /^\.|[. ]$/.test(name)) {
    return 'A name may not hold < > : " / \\ | ? * or begin or end with a dot.';
  }
  return name.length > 100 ? 'A name may be 100 characters long.' : null;
}

/** Makes the output beside a studio. */
export function createOutput(studio: Studio, follower: Follower, surroundings: Surroundings): Output {
  const { pickFolder, download } = surroundings;
  const canPickFolder = pickFolder !== null;
  const store = createStore<OutputState>()(() => ({
    name: 'merged',
    kind: canPickFolder ? 'folder' : 'zip',
    format: 'safetensors',
    // What transformers.js loads in a browser where nothing else is asked for.
    onnxDtypes: ['q8'],
    saved: null,
  }));

  /** The folder to write to; 'zip' where no dialog could be shown; null where the person dismissed it. */
  async function folder(): Promise<FileSystemDirectoryHandle | 'zip' | null> {
    if (pickFolder === null) return 'zip';
    const askedMs = performance.now();
    try {
      return await pickFolder();
    } catch (thrown) {
      if (performance.now() - askedMs < NO_DIALOG_MS) return 'zip';
      if (thrown instanceof DOMException && thrown.name === 'AbortError') return null;
      throw new OutputFault(
        'The browser does not let this page write to that folder. Choose another, or save as a zip.',
      );
    }
  }

  return {
    store,
    canPickFolder,
    change: (part) => store.setState(part),
    async copy(text, what) {
      try {
        await surroundings.copy(text);
        studio.store.setState({ outcome: { tone: 'good', sentence: `${what} is on the clipboard.` } });
      } catch {
        const fault = new OutputFault(
          'The browser does not let this page write to the clipboard; allow it, and try again.',
        );
        studio.store.setState({ fault: toReport(fault) });
      }
    },
    async save() {
      const { name, kind, format: formatKind, onnxDtypes } = store.getState();
      const format: SaveFormat = formatKind === 'onnx' ? { kind: 'onnx', dtypes: onnxDtypes } : { kind: 'safetensors' };
      const { text } = studio.store.getState();
      const release = follower.holdBack();
      try {
        await studio.perform('save', async (onProgress) => {
          const place = kind === 'folder' ? await folder() : 'zip';
          if (place === null) {
            studio.store.setState({ outcome: { tone: 'plain', sentence: 'No folder was chosen; nothing was saved.' } });
            return;
          }
          const target: SaveTarget = place === 'zip' ? { kind: 'zip' } : { kind: 'folder', handle: place };
          const report = await studio.engine.save(
            text,
            { name, target, maxShardBytes: MAX_SHARD_BYTES, format },
            onProgress,
          );
          if (report.archive) download(report.archive, `${name}.zip`);
          const inside = report.within === null ? '' : `, in ${report.within}`;
          const where = place === 'zip' ? `as ${name}.zip` : `in the chosen folder${inside}`;
          const noDialog =
            kind === 'folder' && place === 'zip' ? ' This browser could show no folder dialog, so it is a zip.' : '';
          const { audit, files } = report;
          const savedName = place === 'zip' ? `${name}.zip` : name;
          store.setState({ saved: { name: savedName, files, place: report.place, audit, recipeText: text } });
          const [first] = audit.findings;
          const bad = first ? ` ${AUDIT_WORDS[audit.verdict]}` : '';
          const on = report.place === 'gpu' ? 'on the GPU' : 'on the CPU';
          const figures = `${plural(files.length, 'file')}, ${bytesFigure(report.bytes)}, ${timeFigure(report.milliseconds)} ${on}`;
          studio.store.setState({
            outcome: { tone: first ? 'warning' : 'good', sentence: `Saved ${where}: ${figures}.${noDialog}${bad}` },
          });
        });
      } finally {
        release();
      }
    },
  };
}
