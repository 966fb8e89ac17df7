/** The page's state as a whole, over an engine whose answers come in any order. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeviceFault, MalformedFault, MismatchFault, RecipeFault } from '../bytes/fault.ts';
import { METHODS } from '../methods/index.ts';
import { setParameter } from '../recipe/yaml.ts';
import { currentConversation } from './chat-store.ts';
import type { SaveReport } from './engine-api.ts';
import {
  auditReport,
  blendReport,
  checkpoint,
  checkReport,
  engineDouble,
  replied,
  saveReport,
  weightsMap,
} from './engine-double.ts';
import { mapAbsence, mapIsComing } from './map-absence.ts';
import { paceAtStart } from './progress.ts';
import { mergeObstacle, statusOf } from './status.ts';
import type { Surroundings } from './surroundings.ts';
import { createWorkbench } from './workbench.ts';

const INFO = { place: 'gpu', reason: 'WebGPU.', budgetBytes: 2e9, maxBudgetBytes: 16e9, precision: 'auto' } as const;
const FAMILY = ['tiny-shout', 'tiny-base', 'tiny-spell'];
const NO_FILE = [{ path: 'x/model.safetensors', file: new File([], 'model.safetensors') }];

function bench(part: Partial<Surroundings> = {}) {
  const double = engineDouble();
  const downloads: string[] = [];
  const copied: string[] = [];
  const workbench = createWorkbench(double.engine, {
    fetch: () => Promise.reject(new Error('no network in tests')),
    pickFolder: null,
    download: (_, name) => downloads.push(name),
    copy: async (text) => {
      copied.push(text);
    },
    ...part,
  });
  double.answer('start', () => INFO);
  double.of('start')[0]?.resolve(INFO);
  const { studio, follower } = workbench;
  const state = () => studio.store.getState();
  const open = async (names: readonly string[]) => {
    double.answer('add', () => ({ added: names.map((name) => checkpoint(name)), faults: [] }));
    await studio.open(NO_FILE);
  };
  const setWeight = (value: number) =>
    studio.edit((text) => setParameter(text, { model: 'tiny-shout', name: 'weight', value }));
  return { ...double, ...workbench, studio, follower, state, open, setWeight, downloads, copied };
}

/** A bench whose engine answers everything but `blend`. */
async function readyBench(plan = {}) {
  const b = bench();
  b.answer('check', () => checkReport(plan));
  b.answer('weigh', () => weightsMap(['tiny-shout', 'tiny-spell']));
  b.answer('cancel', () => undefined);
  await b.open(FAMILY);
  await vi.advanceTimersByTimeAsync(200);
  return b;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('opening', () => {
  it('proposes varm with the checkpoint that is named base as the base and the others as models', async () => {
    const { state, open } = bench();
    await open(FAMILY);
    expect(state().recipe).toMatchObject({ method: 'varm', base: 'tiny-base' });
    expect(state().recipe?.models.map((m) => m.model)).toEqual(['tiny-shout', 'tiny-spell']);
    expect(state().canUndo).toBe(false);
  });

  it('takes the first as the base where none is named so', async () => {
    const { state, open } = bench();
    await open(['one', 'two']);
    expect(state().recipe?.base).toBe('one');
  });

  it('has no recipe with one checkpoint, and says that it can be talked to', async () => {
    const { state, open } = bench();
    await open(['only']);
    expect(state().text).toBe('');
    expect(mergeObstacle(state())).toMatch(/second checkpoint/);
    expect(mapAbsence(state())).toMatch(/second checkpoint/);
  });

  it('does not say so of one that cannot be talked to', async () => {
    const { state, answer, studio } = bench();
    answer('add', () => ({ added: [{ ...checkpoint('only'), chatObstacle: 'It has no config.json.' }], faults: [] }));
    await studio.open(NO_FILE);
    expect(mergeObstacle(state())).toBe('Open a second checkpoint to merge.');
  });

  it('says what to do where the recipe is empty or cannot be read', async () => {
    const { state, open, studio } = bench();
    await open(FAMILY);
    studio.edit(() => '');
    expect(mergeObstacle(state())).toMatch(/Undo, open a recipe/);
    expect(mapAbsence(state())).toMatch(/Undo, or open a recipe/);
    studio.edit(() => 'merge_method: nothing\n');
    expect(mapAbsence(state())).toMatch(/once the recipe below can be read/);
    expect(mapIsComing(state())).toBe(false);
  });

  it('advises to measure only while nothing is being measured', async () => {
    const { state, open } = bench();
    await open(FAMILY);
    const waiting = { ...state(), check: checkReport(), checkFault: null, awaitsMeasure: true, work: null };
    expect(mapAbsence(waiting)).toMatch(/Press Measure/);
    for (const kind of ['weigh', 'blend'] as const) {
      expect(mapAbsence({ ...waiting, work: { id: 1, kind, pace: paceAtStart(0) } })).toMatch(/are being read/);
    }
    expect(mapAbsence({ ...waiting, work: { id: 1, kind: 'open', pace: paceAtStart(0) } })).toMatch(/Press Measure/);
  });

  it('takes a checkpoint that comes later into the blend, undoably', async () => {
    const { state, open, studio } = bench();
    await open(FAMILY);
    await open(['tiny-late']);
    expect(state().recipe?.models.map((m) => m.model)).toEqual(['tiny-shout', 'tiny-spell', 'tiny-late']);
    studio.history.undo();
    expect(state().recipe?.models).toHaveLength(2);
  });

  it('keeps faults of broken files beside what could be opened', async () => {
    const { state, studio, answer } = bench();
    const report = { code: 'malformed' as const, message: 'a.safetensors is broken.', details: {} };
    answer('add', () => ({ added: [checkpoint('fine')], faults: [{ file: 'a.safetensors', report }] }));
    await studio.open(NO_FILE);
    expect(state().checkpoints.map((c) => c.name)).toEqual(['fine']);
    expect(state().refusals).toEqual([{ file: 'a.safetensors', report }]);
    studio.dismissRefusals();
    expect(state().refusals).toEqual([]);
  });

  it('reads a recipe file that comes alone as the recipe', async () => {
    const { state, studio, open } = bench();
    await open(FAMILY);
    const text = 'merge_method: linear\nmodels:\n  - model: tiny-shout\n  - model: tiny-spell\n';
    await studio.open([{ path: 'mine.yml', file: new File([text], 'mine.yml') }]);
    expect(state().text).toBe(text);
    expect(state().recipe?.method).toBe('linear');
    studio.history.undo();
    expect(state().recipe?.method).toBe('varm');
  });

  it('chooses another base and puts the old one among the models', async () => {
    const { state, studio, open } = bench();
    await open(FAMILY);
    studio.chooseBase('tiny-spell');
    expect(state().recipe?.base).toBe('tiny-spell');
    expect(
      state()
        .recipe?.models.map((m) => m.model)
        .sort(),
    ).toEqual(['tiny-base', 'tiny-shout']);
  });

  it('takes models out and in, and forgets a checkpoint that is closed', async () => {
    const { state, studio, open, answer } = bench();
    await open(FAMILY);
    studio.include('tiny-spell', false);
    expect(state().recipe?.models.map((m) => m.model)).toEqual(['tiny-shout']);
    studio.include('tiny-spell', true);
    expect(state().recipe?.models).toHaveLength(2);
    answer('remove', () => undefined);
    await studio.close('tiny-base');
    expect(state().recipe?.base).toBe('tiny-shout');
    expect(state().recipe?.models.map((m) => m.model)).toEqual(['tiny-spell']);
    await studio.close('tiny-spell');
    expect(state().text).toBe('');
  });
});

describe('following', () => {
  it('checks once for a burst of changes, then weighs', async () => {
    const { state, of, setWeight, answer, open } = bench();
    answer('check', () => checkReport());
    answer('weigh', () => weightsMap(['tiny-shout']));
    await open(FAMILY);
    for (const w of [0.5, 0.6, 0.7]) setWeight(w);
    await vi.advanceTimersByTimeAsync(500);
    expect(of('check')).toHaveLength(1);
    expect(of('check')[0]?.args[0]).toContain('weight: 0.7');
    expect(of('weigh')[0]?.args[0]).toBe(state().text);
    expect(state().map?.models).toEqual(['tiny-shout']);
  });

  it('follows an unbroken run of changes before it ends', async () => {
    const { of, setWeight } = await readyBench();
    const before = of('check').length;
    for (let i = 0; i < 20; i++) {
      setWeight(i / 10);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(of('check').length - before).toBeGreaterThanOrEqual(2);
  });

  it('follows a change at once where a live blend reads nothing, and waits again while that is under way', async () => {
    const { of, setWeight, answer, commands, state } = await readyBench({ mode: 'resident' });
    answer('blend', () => blendReport(1));
    await commands.merge.perform();
    expect(state().blend?.blend).toBe(1);
    const before = of('check').length;
    setWeight(0.25);
    await vi.advanceTimersByTimeAsync(20);
    expect(of('blend').at(-1)?.args[0]).toContain('weight: 0.25');

    // From here on a blend takes its time: what is moved meanwhile does not stop it at every step.
    answer('blend', () => new Promise(() => undefined) as never);
    setWeight(0.3);
    await vi.advanceTimersByTimeAsync(20);
    for (const w of [0.31, 0.32, 0.33]) {
      setWeight(w);
      await vi.advanceTimersByTimeAsync(20);
    }
    expect(of('blend').at(-1)?.args[0]).toContain('weight: 0.3\n');
    expect(of('check').length - before).toBe(2);
  });

  it('pauses where following means reading files again', async () => {
    const { of, setWeight, answer, commands } = await readyBench({ mode: 'cached' });
    answer('blend', () => blendReport(1));
    await commands.merge.perform();
    const before = of('check').length;
    setWeight(0.25);
    await vi.advanceTimersByTimeAsync(50);
    expect(of('check')).toHaveLength(before);
  });

  it('drops the check of an older text that comes back late', async () => {
    const { state, of, setWeight, open } = bench();
    await open(FAMILY);
    await vi.advanceTimersByTimeAsync(150);
    setWeight(2);
    await vi.advanceTimersByTimeAsync(150);
    const [older, newer] = of('check');
    newer?.resolve(checkReport({ mergedTensors: 2 }));
    await vi.advanceTimersByTimeAsync(0);
    older?.resolve(checkReport({ mergedTensors: 1 }));
    await vi.advanceTimersByTimeAsync(0);
    expect(state().check?.plan?.mergedTensors).toBe(2);
  });

  it('shows a check that refuses, with the tensors, and does not weigh', async () => {
    const { state, of, answer, open, commands } = bench();
    const message = 'These are not siblings.';
    answer('check', () => ({
      findings: [{ severity: 'error', code: 'shape', message, tensors: ['mlp.up', 'mlp.down'], tensorCount: 9 }],
      plan: null,
    }));
    await open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    expect(of('weigh')).toHaveLength(0);
    expect(statusOf(state())).toMatchObject({
      tone: 'bad',
      sentence: 'These are not siblings. (mlp.up, mlp.down and 7 more)',
    });
    // Pressing Merge asks the engine, which says no: a button that does nothing would not say why.
    answer('blend', () => {
      throw new MismatchFault(message);
    });
    expect(commands.merge.isEnabled()).toBe(true);
    await commands.merge.perform();
    expect(state().blend).toBeNull();
    expect(statusOf(state())).toMatchObject({ tone: 'bad', sentence: message, code: 'mismatch' });
    expect(commands.save.isEnabled()).toBe(false);
  });

  it('shows the fault of a check', async () => {
    const { state, answer, open } = bench();
    answer('check', () => {
      throw new RecipeFault('tiny-gone is not open.');
    });
    await open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    expect(statusOf(state())).toMatchObject({ tone: 'bad', sentence: 'tiny-gone is not open.', code: 'recipe' });
  });

  it('names the line of a recipe that cannot be read, keeps the controls, and does not ask the engine', async () => {
    const { state, of, studio } = await readyBench();
    const before = of('check').length;
    studio.edit(() => 'merge_method: varm\nmodles: []\n', 'typing');
    await vi.advanceTimersByTimeAsync(500);
    expect(of('check')).toHaveLength(before);
    expect(state().recipe?.models).toHaveLength(2);
    expect(statusOf(state()).sentence).toMatch(/line \d/);
  });

  it('asks before measuring much, and measures when told', async () => {
    const { state, of, commands } = await readyBench({ readBytes: 600_000_000 });
    expect(of('weigh')).toHaveLength(0);
    expect(state().awaitsMeasure).toBe(true);
    expect(commands.measure.isEnabled()).toBe(true);
    await commands.measure.perform();
    expect(state().map).not.toBeNull();
    expect(state().awaitsMeasure).toBe(false);
  });

  it('weighs by itself once it was measured, however much there is', async () => {
    const { of, commands, setWeight } = await readyBench({ readBytes: 600_000_000 });
    await commands.measure.perform();
    setWeight(3);
    await vi.advanceTimersByTimeAsync(200);
    expect(of('weigh')).toHaveLength(2);
  });

  it('weighs a method that needs no statistics however much there is', async () => {
    const b = await readyBench({ readBytes: 600_000_000 });
    b.studio.edit((text) => text.replace('varm', 'linear').replace(/parameters:[\s\S]*$/, ''));
    await vi.advanceTimersByTimeAsync(200);
    expect(b.state().problems).toEqual([]);
    expect(b.of('weigh')).toHaveLength(1);
  });
});

describe('merging', () => {
  it('does not blend before it was asked to, and follows changes afterwards', async () => {
    const { state, of, commands, setWeight } = await readyBench();
    setWeight(2);
    await vi.advanceTimersByTimeAsync(300);
    expect(of('blend')).toHaveLength(0);
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    expect(statusOf(state()).sentence).toMatch(/^Blended 38 tensors in 23 ms/);
    setWeight(3);
    await vi.advanceTimersByTimeAsync(300);
    expect(of('blend')).toHaveLength(2);
    expect(of('blend')[1]?.args[0]).toContain('weight: 3');
  });

  it('shows the newest blend where an older one is replaced by it', async () => {
    const { state, of, commands, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    setWeight(2);
    await vi.advanceTimersByTimeAsync(150);
    setWeight(3);
    await vi.advanceTimersByTimeAsync(150);
    const [, older, newer] = of('blend');
    newer?.resolve(blendReport(3));
    await vi.advanceTimersByTimeAsync(0);
    older?.reject(new DOMException('replaced', 'AbortError'));
    await vi.advanceTimersByTimeAsync(0);
    expect(state().blend?.blend).toBe(3);
    expect(state().blendText).toContain('weight: 3');
    expect(state().fault).toBeNull();
    expect(statusOf(state()).sentence).toContain('blend 3');
  });

  it('never goes back to an older blend that comes in last', async () => {
    const { state, of, commands, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    setWeight(2);
    await vi.advanceTimersByTimeAsync(150);
    setWeight(3);
    await vi.advanceTimersByTimeAsync(150);
    const [, older, newer] = of('blend');
    newer?.resolve(blendReport(3));
    older?.resolve(blendReport(2));
    await vi.advanceTimersByTimeAsync(0);
    expect(state().blend?.blend).toBe(3);
    expect(state().blendText).toContain('weight: 3');
  });

  it('follows a change that was made while the first blend ran', async () => {
    const { of, commands, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    setWeight(2);
    await vi.advanceTimersByTimeAsync(300);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    await vi.advanceTimersByTimeAsync(300);
    expect(of('blend').at(-1)?.args[0]).toContain('weight: 2');
  });

  it('blends once where Merge is pressed right after a change', async () => {
    const { of, commands, setWeight } = await readyBench();
    setWeight(2);
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(400);
    expect(of('blend')).toHaveLength(1);
    expect(of('blend')[0]?.args[0]).toContain('weight: 2');
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    await vi.advanceTimersByTimeAsync(400);
    expect(of('blend')).toHaveLength(1);
  });

  it('takes the place of a running blend at once, before weighing', async () => {
    const { of, commands, setWeight } = await readyBench();
    const weighed = of('weigh').length;
    void commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    setWeight(2);
    await vi.advanceTimersByTimeAsync(150);
    expect(of('blend')).toHaveLength(2);
    expect(of('weigh')).toHaveLength(weighed);
    of('blend')[0]?.reject(new DOMException('replaced', 'AbortError'));
    of('blend')[1]?.resolve(blendReport(1));
    await vi.advanceTimersByTimeAsync(0);
    expect(of('weigh')).toHaveLength(weighed + 1);
  });

  it('does not begin to follow where the first merge was stopped', async () => {
    const { of, commands, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    void commands.cancel.perform();
    of('blend')[0]?.reject(new DOMException('stopped', 'AbortError'));
    await merging;
    setWeight(2);
    await vi.advanceTimersByTimeAsync(300);
    expect(of('blend')).toHaveLength(1);
  });

  it('offers to measure again where measuring was stopped', async () => {
    const b = bench();
    b.answer('check', () => checkReport());
    b.answer('cancel', () => undefined);
    await b.open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    void b.commands.cancel.perform();
    b.of('weigh')[0]?.reject(new DOMException('stopped', 'AbortError'));
    await vi.advanceTimersByTimeAsync(0);
    expect(b.state().fault).toBeNull();
    expect(b.commands.measure.isEnabled()).toBe(true);
  });

  it('does not measure again by itself, once it was stopped, because a save has ended', async () => {
    const b = bench();
    b.answer('check', () => checkReport());
    b.answer('cancel', () => undefined);
    await b.open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    void b.commands.cancel.perform();
    b.of('weigh')[0]?.reject(new DOMException('stopped', 'AbortError'));
    await vi.advanceTimersByTimeAsync(0);
    const saving = b.commands.save.perform();
    await vi.advanceTimersByTimeAsync(0);
    b.of('save')[0]?.reject(new DOMException('stopped', 'AbortError'));
    await saving;
    await vi.advanceTimersByTimeAsync(5000);
    expect(b.of('save')).toHaveLength(1);
    expect(b.of('weigh')).toHaveLength(1);
    expect(b.commands.measure.isEnabled()).toBe(true);
  });

  it('does not follow where the sources would be read again at length', async () => {
    const { of, commands, setWeight } = await readyBench({ mode: 'cached', readBytes: 600_000_000 });
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    setWeight(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(of('blend')).toHaveLength(1);
  });

  it('cannot merge what is too large to hold, but can save it', async () => {
    const { state, commands } = await readyBench({ mode: 'streaming' });
    expect(commands.merge.isEnabled()).toBe(false);
    expect(mergeObstacle(state())).toMatch(/too large/);
    expect(commands.save.isEnabled()).toBe(true);
    expect(statusOf(state()).sentence).toMatch(/too large/);
    const saved = { tone: 'good', sentence: 'Saved in the chosen folder.' } as const;
    expect(statusOf({ ...state(), outcome: saved })).toMatchObject(saved);
  });

  it('turns to the merged model after Merge, and stays with a source that is chosen later', async () => {
    const { of, commands, chat, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    expect(currentConversation(chat.store.getState()).columns[0]?.speaker).toEqual({ kind: 'blend' });
    chat.choose({ kind: 'checkpoint', name: 'tiny-base' });
    setWeight(2);
    await vi.advanceTimersByTimeAsync(300);
    of('blend')[1]?.resolve(blendReport(2));
    await vi.advanceTimersByTimeAsync(0);
    expect(currentConversation(chat.store.getState()).columns[0]?.speaker).toEqual({
      kind: 'checkpoint',
      name: 'tiny-base',
    });
  });

  it('shows why a blend failed, and that a stopped one changed nothing', async () => {
    const { state, of, commands } = await readyBench();
    let merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.reject(new DeviceFault('The GPU was lost; reload the page.'));
    await merging;
    expect(statusOf(state())).toMatchObject({
      tone: 'bad',
      code: 'device',
      sentence: 'The GPU was lost; reload the page.',
    });
    merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    expect(commands.cancel.isEnabled()).toBe(true);
    void commands.cancel.perform();
    of('blend')[1]?.reject(new DOMException('stopped', 'AbortError'));
    await merging;
    expect(state().fault).toBeNull();
    expect(statusOf(state()).sentence).toMatch(/^Stopped/);
    expect(state().work).toBeNull();
  });

  it('says how far it is', async () => {
    const { state, of, commands } = await readyBench();
    void commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    const onProgress = of('blend')[0]?.args[1] as (p: object) => void;
    onProgress({ phase: 'blend', bytesDone: 250e6, bytesTotal: 1e9, bytesPerSecond: 125e6, secondsLeft: 6 });
    expect(statusOf(state())).toEqual({
      tone: 'busy',
      sentence: 'Merging on the GPU, reading the files.',
      fraction: 0.25,
      code: null,
      figures: { done: '250 MB', total: '1.00 GB', rate: null, left: null },
    });
    await vi.advanceTimersByTimeAsync(4000);
    onProgress({ phase: 'blend', bytesDone: 750e6, bytesTotal: 1e9, bytesPerSecond: 125e6, secondsLeft: 2 });
    expect(statusOf(state()).figures).toEqual({ done: '750 MB', total: '1.00 GB', rate: '125 MB/s', left: '2 s left' });
  });

  it('warns of NaN by tensor', async () => {
    const { state, of, commands } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1, { nonFinite: [{ tensor: 'lm_head.weight', count: 2 }] }));
    await merging;
    expect(statusOf(state())).toMatchObject({ tone: 'warning' });
    expect(statusOf(state()).sentence).toContain('lm_head.weight (2 values)');
  });
});

describe('saving', () => {
  const archive = new File(['zip'], 'merged.zip');

  it('hands over a zip where there is no folder picker', async () => {
    const { answer, commands, downloads, state } = await readyBench();
    answer('save', () => saveReport(archive));
    await commands.save.perform();
    expect(downloads).toEqual(['merged.zip']);
    expect(statusOf(state()).sentence).toMatch(/^Saved as merged.zip/);
  });

  it('falls back to a zip, and says so, where no dialog could be shown', async () => {
    const b = bench({ pickFolder: () => Promise.reject(new DOMException('no', 'AbortError')) });
    b.answer('check', () => checkReport());
    b.answer('save', () => saveReport(archive));
    await b.open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    await b.commands.save.perform();
    expect(b.of('save')[0]?.args[1]).toMatchObject({ target: { kind: 'zip' } });
    expect(b.downloads).toEqual(['merged.zip']);
    expect(statusOf(b.state()).sentence).toMatch(/no folder dialog/);
  });

  it('saves nothing where a person dismisses the dialog', async () => {
    let dismiss: (reason: unknown) => void = () => {};
    const b = bench({ pickFolder: () => new Promise((_, reject) => (dismiss = reject)) });
    b.answer('check', () => checkReport());
    await b.open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    const saving = b.commands.save.perform();
    await vi.advanceTimersByTimeAsync(2000);
    dismiss(new DOMException('dismissed', 'AbortError'));
    await saving;
    expect(b.of('save')).toHaveLength(0);
    expect(statusOf(b.state()).sentence).toMatch(/nothing was saved/);
  });

  it('does not let a change blend while a save is reading, and follows it afterwards', async () => {
    const { of, commands, setWeight } = await readyBench();
    const merging = commands.merge.perform();
    await vi.advanceTimersByTimeAsync(0);
    of('blend')[0]?.resolve(blendReport(1));
    await merging;
    const saving = commands.save.perform();
    setWeight(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(of('blend')).toHaveLength(1);
    of('save')[0]?.resolve(saveReport(null) satisfies SaveReport);
    await saving;
    await vi.advanceTimersByTimeAsync(300);
    expect(of('blend')).toHaveLength(2);
  });

  it('keeps what the audit found for the page, and is loud where it failed', async () => {
    const b = bench();
    b.answer('check', () => checkReport());
    const message = 'The result holds 3 NaN or infinite values, in x (3); a model with them does not work.';
    const findings = [{ severity: 'failure', code: 'non-finite', message, tensors: ['x'], tensorCount: 1 }] as const;
    b.answer('save', () => ({
      ...saveReport(archive),
      place: 'cpu',
      audit: auditReport({ verdict: 'failed', findings }),
    }));
    await b.open(FAMILY);
    await vi.advanceTimersByTimeAsync(200);
    expect(b.output.store.getState().saved).toBeNull();
    await b.commands.save.perform();
    expect(b.output.store.getState().saved).toMatchObject({
      name: 'merged.zip',
      audit: { verdict: 'failed', findings },
      recipeText: b.state().text,
    });
    expect(statusOf(b.state())).toMatchObject({
      tone: 'warning',
      sentence: expect.stringMatching(/ms on the CPU\. Its audit FAILED\. What it found stands below Save\.$/),
    });
  });

  it('copies to the clipboard, and says where the browser does not let it', async () => {
    const b = await readyBench();
    await b.output.copy('abc', 'The hash');
    expect(b.copied).toEqual(['abc']);
    expect(statusOf(b.state()).sentence).toBe('The hash is on the clipboard.');
    const refused = bench({ copy: () => Promise.reject(new DOMException('no', 'NotAllowedError')) });
    await refused.output.copy('abc', 'The hash');
    expect(refused.state().fault?.message).toMatch(/clipboard/);
  });

  it('refuses a name that is no file name', async () => {
    const { commands, output } = await readyBench();
    for (const name of ['', ' ', 'a/b', '..', 'x'.repeat(101)]) {
      output.change({ name });
      expect(commands.save.isEnabled(), name).toBe(false);
    }
    output.change({ name: 'mine-0.1' });
    expect(commands.save.isEnabled()).toBe(true);
  });
});

describe('another method', () => {
  it('is one step of the history, keeps the weights, and says what it took away', async () => {
    const { studio, state, history } = await switchBench();
    const before = state().text;
    studio.chooseMethod(method('karcher'));
    expect(state().recipe).toMatchObject({ method: 'karcher', base: 'tiny-base' });
    expect(state().outcome?.sentence).toBe(
      'Karcher mean has no granularity, statistic or weight; they were removed. Undo brings them back.',
    );
    history.undo();
    expect(state().text).toBe(before);
    studio.chooseMethod(method('slerp'), ['tiny-spell']);
    expect(state().recipe?.models.map((own) => own.model)).toEqual(['tiny-spell']);
    history.undo();
    expect(state().text).toBe(before);
    studio.chooseMethod(method('linear'));
    expect(state().recipe?.models[0]?.parameters).toMatchObject({ weight: { value: 0.7 } });
  });

  async function switchBench() {
    const b = await readyBench();
    b.setWeight(0.7);
    return { ...b, history: b.studio.history };
  }

  function method(name: string) {
    const found = METHODS.get(name);
    if (!found) throw new Error(`${name} is missing`);
    return found;
  }
});

describe('samples', () => {
  it('shows why they could not be fetched', async () => {
    const { commands, state } = bench();
    await commands.openSamples.perform();
    expect(state().fault?.message).toMatch(/samples could not be fetched/);
    expect(state().samples).toBeNull();
  });

  it('fetches what the index lists and proposes its recipe', async () => {
    const index = {
      family: 'Tiny',
      description: 'Small.',
      base: 'tiny-base',
      models: [{ folder: 'tiny-shout', title: 'S', skill: 'shout', description: 'Shouts.' }],
      files: { 'tiny-base': [{ name: 'a.json', bytes: 2 }], 'tiny-shout': [{ name: 'a.json', bytes: 2 }] },
      try: ['Shout it'],
    };
    const asked: string[] = [];
    const b = bench({
      fetch: (async (url: string) => {
        asked.push(url);
        return new Response(url.endsWith('index.json') ? JSON.stringify(index) : '{}');
      }) as typeof fetch,
    });
    b.answer('add', (files) => ({ added: files.map(({ path }) => checkpoint(path.split('/')[0] ?? '')), faults: [] }));
    await b.commands.openSamples.perform();
    expect(asked).toEqual(['./samples/index.json', './samples/tiny-base/a.json', './samples/tiny-shout/a.json']);
    expect(b.state().recipe).toMatchObject({ base: 'tiny-base', method: 'varm' });
    expect(b.state().samples?.try).toEqual(['Shout it']);
    expect(b.chat.store.getState().settings.context).toBe('none');

    // Asked for once more, they do not come twice, and what was made of them stays.
    b.setWeight(0.7);
    const { text } = b.state();
    await b.commands.openSamples.perform();
    expect(b.state().checkpoints.map(({ name }) => name)).toEqual(['tiny-base', 'tiny-shout']);
    expect(b.state().text).toBe(text);
    expect(b.state().outcome?.sentence).toBe('The samples are open already.');
    b.answer('remove', () => undefined);
    await b.studio.close('tiny-shout');
    await b.commands.openSamples.perform();
    expect(b.state().checkpoints.map(({ name }) => name)).toEqual(['tiny-base', 'tiny-shout']);
  });

  it('refuses an index of another form', async () => {
    const b = bench({ fetch: (async () => new Response('{"models":[]}')) as typeof fetch });
    await b.commands.openSamples.perform();
    expect(b.state().fault?.code).toBe(new MalformedFault('').code);
  });
});

describe('the chat’s commands', () => {
  async function chatting(part: Partial<Surroundings> = {}) {
    const b = bench(part);
    b.answer('check', () => checkReport());
    b.answer('weigh', () => weightsMap(['tiny-shout']));
    b.answer('say', ([request]) => replied(`re ${request?.messages.at(-1)?.content}`));
    b.answer('stop', () => undefined);
    await b.open(FAMILY);
    return b;
  }

  it('can be used when there is something to use them on', async () => {
    const { commands, chat, copied, downloads, of } = await chatting();
    const usable = () =>
      (
        [
          'regenerate',
          'editLast',
          'copyReply',
          'newConversation',
          'exportJson',
          'exportMarkdown',
          'clearChat',
          'stop',
        ] as const
      ).filter((name) => commands[name].isEnabled());
    expect(usable()).toEqual([]);
    await chat.send('Hello');
    expect(usable()).toHaveLength(7);
    await commands.copyReply.perform();
    expect(copied).toEqual(['re Hello']);
    await commands.exportMarkdown.perform();
    await commands.exportJson.perform();
    expect(downloads).toEqual(['hello.md', 'hello.json']);
    await commands.editLast.perform();
    expect(chat.store.getState().editing).toBe(currentConversation(chat.store.getState()).messages[0]?.id);
    await commands.regenerate.perform();
    expect(of('say')).toHaveLength(2);
    await commands.newConversation.perform();
    expect(chat.store.getState().conversations).toHaveLength(2);
    expect(usable()).toEqual([]);
  });

  it('have shortcuts of their own', async () => {
    const { commands } = await chatting();
    const shortcuts = Object.values(commands).flatMap(({ shortcut }) => shortcut ?? []);
    expect(new Set(shortcuts).size).toBe(shortcuts.length);
  });

  it('takes a conversation in from its file, and says so where it is none', async () => {
    const files: File[] = [];
    const { commands, chat, chatFiles, state } = await chatting({ download: (file) => files.push(file) });
    await chat.send('Hello');
    await commands.exportJson.perform();
    const [file] = files;
    if (!file) throw new Error('nothing was exported');
    await chatFiles.importFrom(file);
    expect(chat.store.getState().conversations).toHaveLength(2);
    expect(currentConversation(chat.store.getState()).replies[0]?.text).toBe('re Hello');
    expect(state().outcome?.sentence).toMatch(/Opened the conversation “Hello”/);
    await chatFiles.importFrom(new File(['no'], 'x.json'));
    expect(state().fault).toMatchObject({ code: 'malformed' });
  });

  it('keeps conversations from one visit to the next, and does without where nothing can be kept', async () => {
    const kept = new Map<string, string>();
    const store = {
      read: async (key: string) => kept.get(key) ?? null,
      write: async (key: string, text: string) => {
        kept.set(key, text);
      },
    };
    const first = await chatting({ store });
    await first.chat.send('Hello');
    await vi.advanceTimersByTimeAsync(2000);
    const second = await chatting({ store });
    await vi.advanceTimersByTimeAsync(0);
    const { conversations, current } = second.chat.store.getState();
    expect(conversations).toHaveLength(2);
    expect(currentConversation(second.chat.store.getState()).messages).toEqual([]);
    expect(conversations.find(({ id }) => id !== current)?.replies[0]?.text).toBe('re Hello');

    const refuses = () => Promise.reject(new Error('a private window'));
    const without = await chatting({ store: { read: refuses, write: refuses } });
    await without.chat.send('Hello');
    await vi.advanceTimersByTimeAsync(2000);
    expect(without.state().fault).toBeNull();
    expect(currentConversation(without.chat.store.getState()).replies[0]?.text).toBe('re Hello');
  });

  it('sets how chat holds matrices, and checks again what fits', async () => {
    const { studio, answer, of, state } = await chatting();
    await vi.advanceTimersByTimeAsync(300);
    const before = of('check').length;
    answer('setPrecision', (precision) => ({ ...INFO, precision }));
    await studio.setPrecision('q4');
    expect(state().engine?.precision).toBe('q4');
    await vi.advanceTimersByTimeAsync(300);
    expect(of('check')).toHaveLength(before + 1);
  });
});
