/**
 * Picked folder: what stands in for the folder dialog, which headless browsers do not show: a real directory handle from
 * the browser's private file system, and what lies in it afterwards.
 */

import type { Page } from '@playwright/test';

const NAME = 'picked';

/** Answers every folder dialog of the page with the picked folder. Before the page is opened. */
export async function answerFolderDialog(page: Page): Promise<void> {
  await page.addInitScript((name) => {
    Object.assign(window, {
      showDirectoryPicker: async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true }),
    });
  }, NAME);
}

/** Every file below the picked folder, by path. */
export async function pickedFiles(page: Page): Promise<Map<string, Buffer>> {
  const files = await page.evaluate(async (name) => {
    const found: [string, string][] = [];
    const walk = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const [own, handle] of folder.entries()) {
        if (handle instanceof FileSystemDirectoryHandle) await walk(handle, `${path}${own}/`);
        else if (handle instanceof FileSystemFileHandle) {
          const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
          found.push([`${path}${own}`, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))]);
        }
      }
    };
    await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true }), '');
    return found;
  }, NAME);
  return new Map(files.map(([path, base64]) => [path, Buffer.from(base64, 'base64')]));
}

/** Names of everything at the top of the browser's private file system. */
export function privateFiles(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const names: string[] = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
    return names;
  });
}
