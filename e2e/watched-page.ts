/** Watched page: everything that a page and its workers ask for, and everything that the browser complains of meanwhile. */

import { type BrowserContext, expect, type Page } from '@playwright/test';

declare global {
  interface Window {
    cspViolations: string[];
  }
}

export interface WatchedPage {
  /** Addresses that were asked for until now, without those of the page's own memory. */
  readonly addresses: () => readonly string[];
  /** Expects that every request was a GET to `origin`, that there was no socket, and that nothing complained. */
  readonly expectPrivate: (origin: string) => Promise<void>;
}

/** Begins to watch. Before the page is opened. */
export async function watchPage(page: Page, context: BrowserContext): Promise<WatchedPage> {
  const requests: { method: string; url: string; body: string | null }[] = [];
  const sockets: string[] = [];
  const complaints: string[] = [];
  // The context sees the workers' requests too.
  context.on('request', (request) =>
    requests.push({ method: request.method(), url: request.url(), body: request.postData() }),
  );
  page.on('websocket', (socket) => sockets.push(socket.url()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  context.on('console', (message) => {
    if (message.type() === 'error' || /content security policy/i.test(message.text())) complaints.push(message.text());
  });
  await page.addInitScript(() => {
    window.cspViolations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.cspViolations.push(`${event.violatedDirective}: ${event.blockedURI}`),
    );
  });
  return {
    addresses: () => requests.map(({ url }) => url).filter((url) => !url.startsWith('blob:')),
    async expectPrivate(origin) {
      const own = requests.filter(({ url }) => url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`));
      // A data: address holds its own bytes; no server hears of it.
      const foreign = requests.filter((request) => !own.includes(request) && !request.url.startsWith('data:'));
      expect(foreign).toEqual([]);
      expect(own.filter(({ method, body }) => method !== 'GET' || body !== null)).toEqual([]);
      expect(sockets).toEqual([]);
      expect(await page.evaluate(() => window.cspViolations)).toEqual([]);
      expect(complaints).toEqual([]);
    },
  };
}
