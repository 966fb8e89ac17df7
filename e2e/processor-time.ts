/**
 * Processor time: how much the whole browser has computed, in all its processes. It says what work takes whatever else the
 * machine does meanwhile, which a clock does not.
 */

import type { Browser } from '@playwright/test';

/** Milliseconds of processor time, summed over processes and threads, since an instant that never changes. */
export async function processorMs(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  try {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1000, 0);
  } finally {
    await session.detach();
  }
}
