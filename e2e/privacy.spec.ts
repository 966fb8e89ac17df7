/** The policy that the server sends. That no request of a whole session leaves the page is in `samples.spec.ts`. */

import { expect, test } from '@playwright/test';

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
