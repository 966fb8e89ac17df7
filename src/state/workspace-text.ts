/**
 * Workspace text: what is kept of a page's work, as one text and back. Bounded: of undo and redo the furthest steps go
 * first, then the oldest takes. A text that does not fit the form is as good as none. Not where it is kept
 * (`workspace.ts`).
 */

import * as z from 'zod';
// Sets zod up without `new Function`, before the schemas below are built.
import '../recipe/parameter-value.ts';
import { MAX_RECIPE_CHARS } from '../recipe/document.ts';
import type { CheckpointSummary } from './engine-api.ts';
import { MOST_MARKS } from './kept-files.ts';
import { MOST_NAME, MOST_TAKES, type Side, type Take } from './takes.ts';

const VERSION = 1;
/** Most that is kept, in UTF-16 units: sessionStorage, one of its places, holds some five million. */
export const MOST_CHARS = 2 * 2 ** 20;
const MOST_STEPS = 200;
const MOST_OPENINGS = 64;
const MOST_CHECKPOINTS = 256;
const MOST_LOCKS = 20_000;

const text = z.string().max(MAX_RECIPE_CHARS);
const name = z.string().max(1000);
const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const steps = z.array(text).max(MOST_STEPS);
const side = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('take'), id: whole }),
  z.object({ kind: z.literal('now'), text: text.nullable() }),
]);

const schema = z.object({
  version: z.literal(VERSION),
  changedMs: z.number(),
  text,
  past: steps,
  future: steps,
  checkpoints: z
    .array(z.object({ name, weightFiles: z.array(name).max(1000), totalBytes: whole, tensorCount: whole }))
    .max(MOST_CHECKPOINTS),
  openings: z
    .array(
      z.object({
        key: name,
        source: z.enum(['files', 'samples']),
        files: z.array(z.object({ path: z.string().max(4096), bytes: whole, changedMs: z.number() })).max(MOST_MARKS),
        names: z.array(name).max(MOST_CHECKPOINTS),
      }),
    )
    .max(MOST_OPENINGS),
  takes: z
    .array(z.object({ id: whole, name: z.string().min(1).max(MOST_NAME), text, madeMs: z.number() }))
    .max(MOST_TAKES),
  loaded: whole.nullable(),
  a: side,
  b: side,
  centre: z.enum(['mixer', 'models']),
  mapDetail: z.enum(['groups', 'modules', 'tensors']),
  /** What is locked on the map, by model. */
  locks: z.array(z.object({ model: name, filters: z.array(name).max(MOST_LOCKS) })).max(MOST_CHECKPOINTS),
  /** When the conversation that was shown was begun. */
  conversation: z.number().nullable(),
  underWay: z.enum(['merge', 'save to a folder', 'save as a zip']).nullable(),
  hadBlend: z.boolean(),
});

/** What is told of an open checkpoint, to know it again. */
export interface CheckpointMark {
  readonly name: string;
  readonly weightFiles: readonly string[];
  readonly totalBytes: number;
  readonly tensorCount: number;
}

/** A page's work as it is kept. */
export type KeptWorkspace = Omit<z.output<typeof schema>, 'version'>;

/** What a checkpoint is known by. */
export function checkpointMark({ name: own, weightFiles, totalBytes, tensorCount }: CheckpointSummary): CheckpointMark {
  return { name: own, weightFiles: [...weightFiles], totalBytes, tensorCount };
}

/** Whether a checkpoint is the one that was marked, as far as names and sizes tell. */
export function isMarked(mark: CheckpointMark, summary: CheckpointSummary): boolean {
  return JSON.stringify(mark) === JSON.stringify(checkpointMark(summary));
}

/** The work as one text that is not too long; null where its recipe alone is. */
export function workspaceText(kept: KeptWorkspace, mostChars: number = MOST_CHARS): string | null {
  const withFiles = {
    version: VERSION,
    ...kept,
    openings: kept.openings.slice(-MOST_OPENINGS),
    checkpoints: kept.checkpoints.slice(0, MOST_CHECKPOINTS),
    past: [] as string[],
    future: [] as string[],
    takes: [] as Take[],
  };
  const withoutFiles = { ...withFiles, openings: withFiles.openings.map((own) => ({ ...own, files: [] })) };
  const lengthOf = (work: typeof withFiles) => JSON.stringify(work).length;
  const bare = lengthOf(withFiles) <= mostChars / 2 ? withFiles : withoutFiles;
  let room = mostChars - lengthOf(bare);
  if (room < 0) return null;
  const fitting = <T>(newestFirst: readonly T[], most: number): T[] => {
    const taken: T[] = [];
    for (const one of newestFirst.slice(0, most)) {
      const { length } = JSON.stringify(one);
      if (length + 1 > room) break;
      room -= length + 1;
      taken.push(one);
    }
    return taken.reverse();
  };
  const takes = fitting(kept.takes.toReversed(), MOST_TAKES);
  const past = fitting(kept.past.toReversed(), MOST_STEPS);
  const future = fitting(kept.future.toReversed(), MOST_STEPS);
  return JSON.stringify({ ...bare, takes, past, future });
}

/** The work of a kept text; null where it cannot be read. */
export function readWorkspace(kept: string): KeptWorkspace | null {
  let value: unknown;
  try {
    value = JSON.parse(kept);
  } catch {
    return null;
  }
  const read = schema.safeParse(value);
  if (!read.success) return null;
  const { version: _, ...work } = read.data;
  const isThere = (own: Side) => own.kind === 'now' || work.takes.some(({ id }) => id === own.id);
  const ids = new Set(work.takes.map(({ id }) => id));
  if (ids.size !== work.takes.length) return null;
  return {
    ...work,
    loaded: work.loaded !== null && ids.has(work.loaded) ? work.loaded : null,
    a: isThere(work.a) ? work.a : { kind: 'now', text: null },
    b: isThere(work.b) ? work.b : { kind: 'now', text: null },
  };
}
