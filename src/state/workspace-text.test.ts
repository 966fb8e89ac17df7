import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Take } from './takes.ts';
import { isMarked, checkpointMark, type KeptWorkspace, readWorkspace, workspaceText } from './workspace-text.ts';
import { checkpoint } from './engine-double.ts';

const whole = fc.nat(2 ** 31);
const text = fc.string({ maxLength: 40, unit: 'binary' });
const name = fc.string({ minLength: 1, maxLength: 20 });

const takes: fc.Arbitrary<readonly Take[]> = fc
  .array(fc.record({ name, text, madeMs: whole }), { maxLength: 6 })
  .map((list) => list.map((take, id) => ({ id, ...take })));

/** Work as a page could have it: what is loaded or at a side is among the takes. */
const work: fc.Arbitrary<KeptWorkspace> = takes.chain((list) => {
  const id = list.length > 0 ? fc.nat(list.length - 1) : null;
  const now = fc.record({ kind: fc.constant('now' as const), text: fc.option(text) });
  const side = id === null ? now : fc.oneof(now, fc.record({ kind: fc.constant('take' as const), id }));
  return fc.record({
    changedMs: whole,
    text,
    past: fc.array(text, { maxLength: 5 }),
    future: fc.array(text, { maxLength: 5 }),
    checkpoints: fc.array(
      fc.record({ name, weightFiles: fc.array(name, { maxLength: 3 }), totalBytes: whole, tensorCount: whole }),
      { maxLength: 4 },
    ),
    openings: fc.array(
      fc.record({
        key: name,
        source: fc.constantFrom('files' as const, 'samples' as const),
        files: fc.array(fc.record({ path: name, bytes: whole, changedMs: whole }), { maxLength: 3 }),
        names: fc.array(name, { maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
    takes: fc.constant([...list]),
    loaded: id === null ? fc.constant(null) : fc.option(id),
    a: side,
    b: side,
    centre: fc.constantFrom('mixer' as const, 'models' as const),
    mapDetail: fc.constantFrom('groups' as const, 'modules' as const, 'tensors' as const),
    locks: fc.array(fc.record({ model: name, filters: fc.array(name, { maxLength: 3 }) }), { maxLength: 2 }),
    conversation: fc.option(whole),
    underWay: fc.constantFrom(null, 'merge' as const, 'save to a folder' as const, 'save as a zip' as const),
    hadBlend: fc.boolean(),
  });
});

describe('the text of a workspace', () => {
  it('reads back as what was kept', () => {
    fc.assert(
      fc.property(work, (kept) => {
        expect(readWorkspace(workspaceText(kept) ?? '')).toEqual(kept);
      }),
    );
  });

  it('is as long as it may be at most, and keeps the recipe and the nearest of everything', () => {
    fc.assert(
      fc.property(work, fc.integer({ min: 0, max: 2000 }), (kept, most) => {
        const own = workspaceText(kept, most);
        if (own === null) return;
        expect(own.length).toBeLessThanOrEqual(most);
        const read = readWorkspace(own);
        expect(read?.text).toBe(kept.text);
        expect(read?.past).toEqual(read?.past.length ? kept.past.slice(-read.past.length) : []);
        expect(read?.future).toEqual(read?.future.length ? kept.future.slice(-read.future.length) : []);
        expect(read?.takes).toEqual(read?.takes.length ? kept.takes.slice(-read.takes.length) : []);
      }),
    );
  });

  it('is ignored where it is broken', () => {
    fc.assert(
      fc.property(work, fc.nat(), fc.string({ maxLength: 3 }), (kept, at, put) => {
        const own = workspaceText(kept) ?? '';
        const place = at % own.length;
        const broken = own.slice(0, place) + put + own.slice(place + 1 + put.length);
        const read = readWorkspace(broken);
        if (read !== null) expect(readWorkspace(workspaceText(read) ?? '')).toEqual(read);
      }),
    );
    for (const broken of ['', 'null', '[]', '{}', '{"version":1}', '{"version":2}']) {
      expect(readWorkspace(broken)).toBeNull();
    }
  });
});

describe('the mark of a checkpoint', () => {
  it('knows it again, and not another of its name', () => {
    const mark = checkpointMark(checkpoint('m1'));
    expect(isMarked(mark, checkpoint('m1'))).toBe(true);
    expect(isMarked(mark, checkpoint('m1', { totalBytes: 7 }))).toBe(false);
    expect(isMarked(mark, checkpoint('m2'))).toBe(false);
  });
});
