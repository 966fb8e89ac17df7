/** Nothing leaves the page: every request of a whole session, from opening to saving, is to its own origin. */

import { expect, test } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { Studio } from './studio.ts';

declare global {
  interface Window {
    cspViolations: string[];
  }
}

test('no request leaves the page, and nothing complains', async ({ page, context, baseURL }, info) => {
  const origin = new URL(baseURL ?? '').origin;
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

  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.merge();
  expect((await studio.say('Shout wood'))[1]).toBe('WOOD');
  await studio.save();
  const seen = requests.length;
  expect(seen).toBeGreaterThan(20);

  await test.step('files of one’s own cause no request at all', async () => {
    const root = info.outputPath('family');
    await writeFamily(root, { kind: 'llama', dtype: 'F32' });
    await studio.addFolder(root);
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(7);
    await studio.writeRecipe('merge_method: linear\nmodels:\n  - model: m1\n  - model: m2\n');
    await studio.merge();
    await studio.save();
    expect(
      requests
        .slice(seen)
        .map(({ url }) => url)
        .filter((url) => !url.startsWith('blob:')),
    ).toEqual([]);
  });

  const own = requests.filter(({ url }) => url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`));
  // A data: address holds its own bytes; no server hears of it.
  const foreign = requests.filter((request) => !own.includes(request) && !request.url.startsWith('data:'));
  expect(foreign).toEqual([]);
  expect(own.filter(({ method, body }) => method !== 'GET' || body !== null)).toEqual([]);
  expect(sockets).toEqual([]);
  expect(await page.evaluate(() => window.cspViolations)).toEqual([]);
  expect(complaints).toEqual([]);
});

test('the policy that the server sends holds', async ({ page, context }) => {
  await page.goto('/');
  const asked: string[] = [];
  context.on('request', (request) => asked.push(request.url()));
  // TEST-NET-1 answers nobody; the policy has to stop this before it is tried.
  const outcome = await page.evaluate(async () => {
    const violated = new Promise<string>((resolve) =>
      document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective)),
    );
    await fetch('https://192.0.2.1/').catch(() => undefined);
    return violated;
  });
  expect(outcome).toBe('connect-src');
});
