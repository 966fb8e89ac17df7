/** The page's work from one visit to the next, over a fake browser that keeps it. */

import { describe, expect, it } from 'vitest';
import { setParameter } from '../recipe/yaml.ts';
import { currentConversation } from './chat-store.ts';
import { withMessage } from './conversation.ts';
import type { HandleStore } from './database-handles.ts';
import { blendReport, checkpoint, checkReport, engineDouble, weightsMap } from './engine-double.ts';
import type { WorkspaceTexts } from './kept-workspaces.ts';
import type { PathedFile } from './samples.ts';
import type { Surroundings } from './surroundings.ts';
import { statusOf } from './status.ts';
import type { Tabs } from './tabs.ts';
import type { TextPlace } from './visit.ts';
import { createWorkbench } from './workbench.ts';

const INFO = { place: 'gpu', reason: 'WebGPU.', budgetBytes: 2e9, maxBudgetBytes: 16e9, precision: 'auto' } as const;

function place(): TextPlace & { text: string | null } {
  return {
    text: null,
    read() {
      return this.text;
    },
    write(text) {
      this.text = text;
    },
  };
}

/** A tab of a browser: what lives as long as it does. */
function tab() {
  return { work: place(), talk: place(), key: place() };
}

/** A browser: what it keeps, the disk, and whether it lets a page read without asking. */
function browser() {
  const texts = new Map<string, string>();
  const handles = new Map<string, readonly FileSystemHandle[]>();
  const disk = new Map<string, File>();
  const own = {
    texts,
    handles,
    disk,
    hint: place(),
    first: tab(),
    /** The names that living tabs hold. */
    held: new Set<string>(),
    /** What is kept, by key. */
    works: () => [...texts].filter(([key]) => key.startsWith('workspace')).map(([, text]) => text),
    isBroken: false,
    /** What the browser says before it asks, and what the person answers. */
    permission: 'granted' as PermissionState,
    answer: 'granted' as PermissionState,
    asked: 0,
    put(path: string, text = 'weights', lastModified = 1000) {
      disk.set(path, new File([text], path.split('/').pop() ?? path, { lastModified }));
    },
    /** A folder of the disk, as a handle. */
    folder(name: string): FileSystemHandle {
      const file = (path: string) => ({
        kind: 'file',
        name: path.split('/').pop(),
        async getFile() {
          const found = disk.get(path);
          if (!found) throw new DOMException('gone', 'NotFoundError');
          return found;
        },
      });
      return {
        kind: 'directory',
        name,
        async *values() {
          const paths = [...disk.keys()].filter((path) => path.startsWith(`${name}/`));
          if (paths.length === 0) throw new DOMException('gone', 'NotFoundError');
          yield* paths.map(file);
        },
        queryPermission: async () => own.permission,
        async requestPermission() {
          own.asked++;
          if (own.answer === 'granted') own.permission = 'granted';
          return own.answer;
        },
      } as unknown as FileSystemHandle;
    },
    files: (name: string): PathedFile[] =>
      [...disk].filter(([path]) => path.startsWith(`${name}/`)).map(([path, file]) => ({ path, file })),
  };
  return own;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** A visit of a page to a browser, in its first tab where no other is given. */
async function visit(own: ReturnType<typeof browser>, wasReloaded = false, inTab = own.first) {
  const double = engineDouble();
  double.answer('start', () => INFO);
  double.answer('check', () => checkReport());
  double.answer('weigh', () => weightsMap([]));
  double.answer('cancel', () => undefined);
  double.answer('remove', () => undefined);
  double.answer('add', (files) => {
    const folders = [...new Set(files.map(({ path }) => path.split('/')[0] ?? ''))];
    const bytes = (name: string) =>
      files.filter(({ path }) => path.startsWith(`${name}/`)).reduce((sum, { file }) => sum + file.size, 0);
    return { added: folders.map((name) => checkpoint(name, { totalBytes: bytes(name) })), faults: [] };
  });
  const hides: (() => void)[] = [];
  const holds: (() => void)[] = [];
  const tabs: Tabs = {
    async hold(name) {
      if (own.held.has(name)) return null;
      own.held.add(name);
      const letGo = () => void own.held.delete(name);
      holds.push(letGo);
      return letGo;
    },
    held: async () => new Set(own.held),
  };
  const handleStore: HandleStore = {
    read: async (key) => own.handles.get(key) ?? [],
    write: async (key, handles) => {
      own.handles.set(key, handles);
    },
    remove: async (key) => {
      own.handles.delete(key);
    },
  };
  const refuse = async () => {
    throw new Error('this browser keeps nothing');
  };
  /** What a page that is gone had still meant to do happens no more, however slow the machine. */
  let isGone = false;
  const texts: WorkspaceTexts = own.isBroken
    ? { read: refuse, write: refuse, remove: refuse, keys: refuse }
    : {
        read: async (key) => own.texts.get(key) ?? null,
        write: async (key, text) => {
          if (!isGone) own.texts.set(key, text);
        },
        remove: async (key) => {
          if (!isGone) own.texts.delete(key);
        },
        keys: async () => [...own.texts.keys()].sort(),
      };
  const surroundings: Surroundings = {
    fetch: () => Promise.reject(new Error('no network in tests')),
    pickFolder: null,
    download: () => undefined,
    copy: async () => undefined,
    store: texts,
    workspaces: texts,
    handles: handleStore,
    visit: {
      wasReloaded,
      tab: inTab.work,
      talk: inTab.talk,
      key: inTab.key,
      tabs,
      hint: own.hint,
      onHide: (callback) => hides.push(callback),
    },
  };
  const workbench = createWorkbench(double.engine, surroundings);
  await workbench.workspace.ready;
  await settled();
  const { studio, workspace } = workbench;
  return {
    ...workbench,
    ...double,
    text: () => studio.history.text(),
    names: () => studio.store.getState().checkpoints.map(({ name }) => name),
    phase: () => workspace.store.getState().phase,
    state: workspace.store.getState,
    status: () => statusOf(studio.store.getState()).sentence,
    give: (name: string, hasHandle = true) =>
      workspace.open({ files: own.files(name), handles: hasHandle ? [own.folder(name)] : [] }),
    setWeight: (value: number) => studio.edit((text) => setParameter(text, { model: 'm1', name: 'weight', value })),
    /** The page goes out of sight. */
    async hide() {
      for (const hide of hides) hide();
      await settled();
    },
    /** The page goes. */
    async leave() {
      await this.hide();
      isGone = true;
      workbench.follower.stop();
      for (const letGo of holds) letGo();
    },
  };
}

/** A browser whose person left a recipe of three folders, changed by hand three times, with a take. */
async function leftBehind({ hasHandles = true } = {}) {
  const own = browser();
  for (const name of ['base', 'm1', 'm2']) own.put(`${name}/model.safetensors`);
  const page = await visit(own);
  for (const name of ['base', 'm1', 'm2']) await page.give(name, hasHandles);
  page.setWeight(0.25);
  page.takes.keep();
  page.setWeight(0.5);
  page.setWeight(0.75);
  page.studio.history.undo();
  page.view.change({ centre: 'models', mapDetail: 'tensors' });
  page.mixer.store.setState({ locks: new Map([['m1', new Set(['mlp'])]]) });
  const text = page.text();
  await page.leave();
  return { own, text, entries: page.studio.history.entries() };
}

describe('after a reload', () => {
  it('everything comes back by itself where nothing has to be asked', async () => {
    const { own, text, entries } = await leftBehind();
    const page = await visit(own, true);
    expect(page.phase()).toBe('working');
    expect(page.text()).toBe(text);
    expect(page.studio.history.entries()).toEqual(entries);
    expect(page.names()).toEqual(['base', 'm1', 'm2']);
    expect(page.takes.store.getState()).toMatchObject({ takes: [{ name: 'Take 1' }], a: { kind: 'take', id: 1 } });
    expect(page.view.store.getState()).toMatchObject({ centre: 'models', mapDetail: 'tensors' });
    expect(page.mixer.store.getState().locks).toEqual(new Map([['m1', new Set(['mlp'])]]));
    expect(own.asked).toBe(0);
    page.studio.history.redo();
    expect(page.text()).toContain('0.75');
  });

  it('it is offered where the browser has to ask, and comes back after the click', async () => {
    const { own, text } = await leftBehind();
    own.permission = 'prompt';
    const page = await visit(own, true);
    expect(page.phase()).toBe('offered');
    expect(own.asked).toBe(0);
    own.answer = 'denied';
    await page.workspace.goOn();
    expect(page.state()).toMatchObject({ phase: 'offered', isDenied: true });
    own.answer = 'granted';
    await page.workspace.goOn();
    expect(page.text()).toBe(text);
    // And is kept again.
    await page.leave();
    expect((await visit(own, true)).text()).toBe(text);
  });

  it('the text is exact even where the database had no time', async () => {
    const { own } = await leftBehind();
    const page = await visit(own, true);
    const before = new Map(own.texts);
    page.setWeight(0.123);
    const text = page.text();
    await page.leave();
    for (const [key, kept] of before) own.texts.set(key, kept);
    const next = await visit(own, true);
    expect(next.text()).toBe(text);
    // Also where the address was typed anew.
    next.setWeight(0.321);
    const newer = next.text();
    await next.leave();
    for (const [key, kept] of before) own.texts.set(key, kept);
    expect((await visit(own)).state().left?.text).toBe(newer);
  });

  it('work that was stopped is told of', async () => {
    const { own } = await leftBehind();
    for (const [kind, words] of [
      ['blend', 'The merge was stopped by the reload. Merge again.'],
      ['save', 'The save was stopped by the reload and left no file. Save again.'],
    ] as const) {
      const page = await visit(own, true);
      void page.studio.perform(kind, () => new Promise(() => undefined));
      await page.leave();
      const next = await visit(own, true);
      expect(next.studio.store.getState().outcome).toMatchObject({ tone: 'warning' });
      expect(next.studio.store.getState().outcome?.sentence).toContain(words);
      await next.leave();
    }
  });

  it('a save to a folder that was stopped says what is in the folder', async () => {
    const { own } = await leftBehind();
    const page = await visit(own, true);
    page.output.change({ kind: 'folder' });
    void page.studio.perform('save', () => new Promise(() => undefined));
    await page.leave();
    const next = await visit(own, true);
    expect(next.studio.store.getState().outcome?.sentence).toContain('empty files');
  });

  it('a live blend is gone, and that is said', async () => {
    const { own } = await leftBehind();
    const page = await visit(own, true);
    page.studio.store.setState({ blend: blendReport(1), blendText: page.text() });
    await page.leave();
    const next = await visit(own, true);
    expect(next.studio.store.getState().outcome?.sentence).toBe(
      'The recipe is as you left it. Merge again to talk to the result.',
    );
  });

  it('files that changed on disk, and files that are gone, are told of', async () => {
    const { own, text } = await leftBehind();
    own.put('m1/model.safetensors', 'weights', 2000);
    own.disk.delete('m2/model.safetensors');
    const page = await visit(own, true);
    expect(page.text()).toBe(text);
    expect(page.studio.store.getState().outcome?.sentence).toBe(
      'The recipe is as you left it. m2 is not there any more: add it again. m1/model.safetensors changed on disk since.',
    );
    expect(page.state().awaited.map(({ name }) => name)).toEqual(['m2']);
    own.put('m2/model.safetensors');
    await page.give('m2');
    expect(page.state().awaited).toEqual([]);
    expect(page.text()).toBe(text);
  });

  it('where no file is there any more the recipe waits for them', async () => {
    const { own, text } = await leftBehind();
    const disk = new Map(own.disk);
    own.disk.clear();
    const page = await visit(own, true);
    expect(page.state()).toMatchObject({ phase: 'offered', toDrop: ['base', 'm1', 'm2'] });
    expect(page.status()).toContain('None of the files is where it was');
    for (const [path, file] of disk) own.disk.set(path, file);
    await page.give('base');
    expect(page.text()).toBe(text);
  });
});

describe('on a new visit', () => {
  it('it is offered, and nothing opens by itself', async () => {
    const { own, text } = await leftBehind();
    const page = await visit(own);
    expect(page.phase()).toBe('offered');
    expect(page.names()).toEqual([]);
    await page.workspace.goOn();
    expect(page.text()).toBe(text);
  });

  it('what is new takes its place, and takes of the same models come along', async () => {
    const { own, text } = await leftBehind();
    const page = await visit(own);
    await page.give('base');
    await page.give('m1');
    expect(page.phase()).toBe('working');
    expect(page.text()).not.toBe(text);
    expect(page.takes.store.getState().takes).toHaveLength(1);
    await page.leave();
    expect((await visit(own)).state().left?.checkpoints.map(({ name }) => name)).toEqual(['base', 'm1']);
  });

  it('takes of other models do not', async () => {
    const { own } = await leftBehind();
    own.put('other/model.safetensors');
    const page = await visit(own);
    await page.give('other');
    expect(page.takes.store.getState().takes).toEqual([]);
  });

  it('the conversation that was shown is shown again', async () => {
    const { own } = await leftBehind();
    const page = await visit(own, true);
    const empty = currentConversation(page.chat.store.getState());
    const said = (startedMs: number, text: string) => ({
      ...withMessage({ ...empty, startedMs }, { text, mode: 'chat' }).conversation,
      changedMs: startedMs,
    });
    page.chat.take([said(77, 'Shown.'), said(88, 'Another.')], true);
    await page.leave();
    const next = await visit(own, true);
    expect(currentConversation(next.chat.store.getState()).messages.map(({ text }) => text)).toEqual(['Shown.']);
  });
});

describe('where the browser has no handles', () => {
  it('it says what to drop, and the recipe comes back with the first folder', async () => {
    const { own, text, entries } = await leftBehind({ hasHandles: false });
    const page = await visit(own, true);
    expect(page.state()).toMatchObject({ phase: 'offered', canGoOn: false, toDrop: ['base', 'm1', 'm2'] });
    await page.give('m1', false);
    expect(page.text()).toBe(text);
    expect(page.studio.history.entries()).toEqual(entries);
    expect(page.state().awaited.map(({ name }) => name)).toEqual(['base', 'm2']);
    await page.give('base', false);
    await page.give('m2', false);
    expect(page.state().awaited).toEqual([]);
    expect(page.text()).toBe(text);
    expect(page.studio.history.entries()).toEqual(entries);
  });

  it('files that are missing still are waited for on the next visit, too', async () => {
    const { own, text } = await leftBehind({ hasHandles: false });
    const page = await visit(own, true);
    await page.give('m1', false);
    await page.leave();
    const next = await visit(own, true);
    expect(next.state().left).toMatchObject({ text });
    expect(next.state().toDrop.toSorted()).toEqual(['base', 'm1', 'm2']);
  });

  it('other files of the same names are not taken for them', async () => {
    const { own, text } = await leftBehind({ hasHandles: false });
    own.put('base/model.safetensors', 'quite other weights');
    const page = await visit(own, true);
    await page.give('base', false);
    expect(page.phase()).toBe('working');
    expect(page.text()).not.toBe(text);
  });

  it('a recipe file that is opened first is what the person wants', async () => {
    const { own } = await leftBehind({ hasHandles: false });
    const page = await visit(own, true);
    const recipe = 'merge_method: linear\nmodels:\n  - model: m1\n  - model: base\n';
    await page.workspace.open({ files: [{ path: 'mine.yml', file: new File([recipe], 'mine.yml') }], handles: [] });
    await page.give('base', false);
    expect(page.text()).toBe(recipe);
  });
});

describe('starting afresh', () => {
  it('closes everything, forgets it, and can bring it back in the same visit', async () => {
    const { own, text, entries } = await leftBehind();
    const page = await visit(own, true);
    await page.workspace.forget();
    expect(page.names()).toEqual([]);
    expect(page.text()).toBe('');
    expect(page.takes.store.getState().takes).toEqual([]);
    expect(own.works()).toEqual([]);
    expect(own.handles.size).toBe(0);
    expect(own.hint.text).toBeNull();
    await page.workspace.goOn();
    expect(page.text()).toBe(text);
    expect(page.studio.history.entries()).toEqual(entries);
    expect(page.takes.store.getState().takes).toHaveLength(1);
    await settled();
    expect(own.handles.size).toBe(3);
  });

  it('does so while something is read, which is stopped, and not while something is saved', async () => {
    const { own } = await leftBehind();
    const page = await visit(own, true);
    const reading = page.studio.perform('weigh', () => page.studio.engine.survey(page.text(), () => {}));
    await page.workspace.forget();
    expect(page.of('cancel')).toHaveLength(1);
    expect(page.names()).toEqual([]);
    page.of('survey').at(-1)?.reject({ code: 'cancelled', message: 'Stopped.', details: {} });
    await reading;
    await page.workspace.goOn();
    const saving = page.studio.perform('save', () => page.studio.engine.cancel());
    await page.workspace.forget();
    expect(page.names()).toEqual(['base', 'm1', 'm2']);
    await saving;
  });

  it('leaves nothing for another visit', async () => {
    const { own } = await leftBehind();
    const page = await visit(own);
    await page.workspace.forget();
    await page.leave();
    expect((await visit(own, true)).phase()).toBe('empty');
  });
});

describe('two tabs', () => {
  /** Two tabs at work, each with folders and a weight of its own. */
  async function twoTabs() {
    const own = browser();
    const second = tab();
    for (const name of ['base', 'm1', 'm2', 'other']) own.put(`${name}/model.safetensors`);
    const a = await visit(own);
    for (const name of ['base', 'm1']) await a.give(name);
    a.setWeight(0.25);
    const b = await visit(own, false, second);
    return { own, second, a, b };
  }

  it('each keep their own work, whichever closes last', async () => {
    const { own, second, a, b } = await twoTabs();
    // The first one's is not offered while it lives.
    expect(b.phase()).toBe('empty');
    for (const name of ['other', 'm1']) await b.give(name);
    b.setWeight(0.75);
    const texts = [a.text(), b.text()];
    await b.leave();
    await a.leave();
    expect(own.works()).toHaveLength(2);
    // In the other order, so that nothing depends on it.
    const againB = await visit(own, true, second);
    const againA = await visit(own, true);
    expect([againA.text(), againB.text()]).toEqual(texts);
    expect(againB.names()).toEqual(['other', 'm1']);
  });

  it('a new tab is offered the newest work that no living tab holds', async () => {
    const { own, a, b } = await twoTabs();
    await b.give('other');
    const text = b.text();
    await b.leave();
    const c = await visit(own, false, tab());
    expect(c.phase()).toBe('offered');
    expect(c.state().left?.text).toBe(text);
    // What is offered to one is not offered to another.
    expect((await visit(own, false, tab())).phase()).toBe('empty');
    await c.workspace.goOn();
    c.studio.edit((before) => `# on\n${before}`);
    await c.leave();
    await a.leave();
    expect(own.works()).toHaveLength(2);
    expect((await visit(own, false, tab())).state().left?.text).toBe(`# on\n${text}`);
  });

  it('a copy of a tab has work of its own from then on', async () => {
    const { own, a } = await twoTabs();
    const copy = tab();
    copy.key.text = own.first.key.text;
    const b = await visit(own, false, copy);
    expect(b.phase()).toBe('empty');
    expect(copy.key.text).not.toBe(own.first.key.text);
    await b.give('other');
    await b.leave();
    await a.leave();
    expect((await visit(own, true)).names()).toEqual(['base', 'm1']);
  });

  it('something new in a tab that was offered older work leaves that to the next', async () => {
    const { own, text } = await leftBehind();
    own.put('other/model.safetensors');
    const page = await visit(own, false, tab());
    await page.give('other');
    expect((await visit(own, false, tab())).state().left?.text).toBe(text);
    await page.leave();
    expect(own.works()).toHaveLength(2);
  });

  it('starting afresh in one leaves the other as it is', async () => {
    const { own, a, b } = await twoTabs();
    await b.give('other');
    await b.workspace.forget();
    await a.leave();
    await b.leave();
    expect(own.works()).toHaveLength(1);
    expect((await visit(own, true)).names()).toEqual(['base', 'm1']);
  });

  it('work that was kept before tabs had their own is found', async () => {
    const { own, text } = await leftBehind();
    const [kept = ''] = own.works();
    for (const key of own.texts.keys()) if (key.startsWith('workspace')) own.texts.delete(key);
    own.texts.set('workspace', kept);
    expect((await visit(own, false, tab())).state().left?.text).toBe(text);
  });

  it('of closed tabs only the newest are kept, and never that of a living one', async () => {
    const { own, a } = await twoTabs();
    await a.hide();
    for (let i = 0; i < 12; i++) {
      const page = await visit(own, false, { ...tab(), key: { ...place(), text: `workspace ${i}` } });
      await page.give('other');
      page.studio.edit((before) => `# ${i}\n${before}`);
      await page.leave();
    }
    const last = await visit(own, false, tab());
    expect(last.state().left?.text).toMatch(/^# 11\n/);
    // The living one's, the one that was taken and eight more.
    expect(own.works()).toHaveLength(10);
    expect(own.works().some((text) => text.includes('# 0\\n'))).toBe(false);
    await a.leave();
    expect(own.works()).toHaveLength(10);
    expect((await visit(own, true)).names()).toEqual(['base', 'm1']);
  });
});

describe('a browser that keeps nothing, or something else', () => {
  it('is no error', async () => {
    const own = browser();
    own.isBroken = true;
    own.put('base/model.safetensors');
    const page = await visit(own);
    expect(page.phase()).toBe('empty');
    await page.give('base');
    await page.leave();
    await settled();
    expect(page.phase()).toBe('working');
    expect(page.state().isKept).toBe(false);
    expect(page.studio.store.getState().fault).toBeNull();
  });

  it('broken texts are ignored', async () => {
    const own = browser();
    own.texts.set('workspace', '{"version":1,"text":');
    own.first.work.text = '[]';
    expect((await visit(own, true)).phase()).toBe('empty');
  });
});
