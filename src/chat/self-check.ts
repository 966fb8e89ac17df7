/**
 * SelfCheck: whether a device computes what chat asks of it, found out on the device itself before the first chat with an
 * architecture: a small relative of it (`self-check-model.ts`) is run in every way that will be used, and compared with
 * onnxruntime's CPU provider. Wrong results come without an error message: attention over 32 and more new tokens on
 * subgroups of less than 8 lanes, replayed commands beyond a window. What is found is kept per device.
 */

import { DeviceFault, Fault } from '../bytes/fault.ts';
import type { LiveForm } from '../formats/block-quantised.ts';
import type { Architecture } from './architecture.ts';
import { relativeForms, relativeOf, relativeWeights } from './self-check-model.ts';
import type { Session } from './session.ts';
import type { ChatWeights } from './weights.ts';

/** The ways of running that were found right on a device. */
export interface DevicePaths {
  /** Most tokens of one run. */
  readonly chunkTokens: number;
  /** False where onnxruntime must not fuse operators. */
  readonly fuses: boolean;
  /** Why steps are not captured, as the end of a sentence; null where they are. */
  readonly captureObstacle: string | null;
  /** Sentences for the page; empty where there is nothing to say. */
  readonly reason: string;
}

/**
 * Most tokens of a prompt in one run. Longer runs read faster (a quarter, from 256 to 1024), but a chat can be stopped
 * only between two of them: `session-open.ts` takes fewer for large models.
 */
const CHUNK_TOKENS = 1024;

/** The same on an adapter that is played in software, where so many already take seconds. */
const SOFTWARE_CHUNK_TOKENS = 512;

/** Shorter than what the attention kernel takes that is wrong on small subgroups. */
const SAFE_CHUNK_TOKENS = 31;

/** Relative to the largest logit. Right ways differ by 1e-5 at most, wrong ones by 1e-1 and more. */
const TOLERANCE = 2e-3;

/**
 * Where a text is cut: a long prompt, a short piece behind it, and tokens one by one. Logits are compared at each cut. Of
 * the single tokens the first ones are recorded and proved by the session itself (`session-step.ts`); the last comes from
 * what is used then, attention of our own over several splits of the text included.
 */
const CUTS: readonly number[] = [70, 80, 81, 82, 83, 84, 85];

/** The same inside every window, so that captured steps are tried there too. */
const NARROW_CUTS: readonly number[] = [10, 11, 12, 13, 14, 15];

/** How sessions are opened; it is given, because sessions in turn ask for the check. */
export type OpenSession = typeof Session.open;

const KNOWN = new WeakMap<GPUDevice, Map<string, Promise<DevicePaths>>>();

/**
 * Finds the right ways for an architecture with matrices in certain forms.
 * @throws DeviceFault where none is right, or the device is lost.
 */
export function selfCheck(
  device: GPUDevice,
  architecture: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
  open: OpenSession,
): Promise<DevicePaths> {
  const relative = relativeOf(architecture);
  const small = relativeForms(relative, forms);
  const known = KNOWN.get(device) ?? new Map<string, Promise<DevicePaths>>();
  KNOWN.set(device, known);
  const key = JSON.stringify([relative, [...small]]);
  const before = known.get(key);
  if (before) return before;
  const finding = findPaths(device, relative, small, open);
  known.set(key, finding);
  // Only what the device itself did is worth keeping.
  finding.catch((cause) => cause instanceof WrongDevice || known.delete(key));
  return finding;
}

/**
 * The right ways on a device: found by the self-check, or known. SwiftShader is known: it is the same program on every
 * machine, the tests check every way on it with each build (`self-check.gpu.test.ts` that the check agrees), and it takes ten
 * seconds to compile what the check runs.
 */
export function pathsOn(
  device: GPUDevice,
  architecture: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
  open: OpenSession,
): Promise<DevicePaths> {
  return device.adapterInfo.architecture === 'swiftshader'
    ? Promise.resolve({ chunkTokens: chunkTokens(device), fuses: true, captureObstacle: null, reason: '' })
    : selfCheck(device, architecture, forms, open);
}

/** The most tokens of one run that are tried first on a device. */
export function chunkTokens(device: GPUDevice): number {
  const hasSmallSubgroups = device.features.has('subgroups') && (device.adapterInfo.subgroupMinSize ?? 0) < 8;
  if (hasSmallSubgroups) return SAFE_CHUNK_TOKENS;
  return device.adapterInfo.architecture === 'swiftshader' ? SOFTWARE_CHUNK_TOKENS : CHUNK_TOKENS;
}

/** A device that no way is right on. */
class WrongDevice extends DeviceFault {}

/**
 * Tries ways, the fastest first.
 * @param mostTokens how long a run may be at first; tests try what is known to be wrong.
 */
export async function findPaths(
  device: GPUDevice,
  relative: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
  open: OpenSession,
  mostTokens = chunkTokens(device),
): Promise<DevicePaths> {
  const weights = relativeWeights(relative, forms, device);
  try {
    const truth = await expected(relative, weights.cpu, open);
    const tried: string[] = [];
    for (const fuses of [true, false]) {
      for (const chunk of new Set([mostTokens, SAFE_CHUNK_TOKENS])) {
        const way: DevicePaths = { chunkTokens: chunk, fuses, captureObstacle: null, reason: '' };
        const found = await tryWay(relative, weights.gpu, open, way, truth);
        if (typeof found !== 'string') return { ...found, reason: reasonOf(found, mostTokens) };
        tried.push(found);
      }
    }
    const form = [...forms.values()][0]?.slice(0, 2);
    const remedy =
      form === undefined
        ? 'run chat without WebGPU or in another browser'
        : `hold its matrices in ${form === 'q4' ? '8 bits' : 'float32'} instead of ${form === 'q4' ? '4' : '8'} bits`;
    throw new WrongDevice(
      `This graphics device failed the check of a ${relative.modelType} model (${tried[0]}), so chat does not use it; ${remedy}.`,
      { tried },
    );
  } finally {
    weights.free();
  }
}

/** What the CPU gives, by the number of tokens read. */
async function expected(
  relative: Architecture,
  weights: ChatWeights,
  open: OpenSession,
): Promise<ReadonlyMap<number, Float32Array>> {
  const ends = [...CUTS, ...NARROW_CUTS];
  const session = await open(relative, weights, { logits: 'all' });
  const cache = session.newCache();
  try {
    const logits = await session.run(textOf(Math.max(...ends), relative), cache);
    const { vocabularySize: size } = relative;
    return new Map(ends.map((end) => [end, logits.slice((end - 1) * size, end * size)]));
  } finally {
    cache.dispose();
    await session.dispose();
  }
}

/** The way as it was found right (perhaps without capture), or what is wrong with it. */
async function tryWay(
  relative: Architecture,
  weights: ChatWeights,
  open: OpenSession,
  way: DevicePaths,
  truth: ReadonlyMap<number, Float32Array>,
): Promise<DevicePaths | string> {
  let session: Session | undefined;
  try {
    session = await open(relative, weights, { logits: 'last', paths: way });
    for (const ends of relative.windowTokens === null ? [CUTS] : [CUTS, NARROW_CUTS]) {
      const cache = session.newCache();
      try {
        for (const end of ends) {
          const ids = textOf(end, relative).slice(cache.tokens);
          const difference = differenceOf(await session.run(ids, cache), truth.get(end));
          if (!(difference <= TOLERANCE)) {
            return `${ids.length} tokens after ${end - ids.length} came out wrong by ${difference.toPrecision(2)}`;
          }
        }
      } finally {
        cache.dispose();
      }
    }
    return { ...way, captureObstacle: session.captureFailure };
  } catch (cause) {
    // Something that this way alone may have brought about; a lost device ends all of them.
    if (cause instanceof Fault && !(cause instanceof DeviceFault)) throw cause;
    if (session?.isLost) throw cause;
    return (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');
  } finally {
    await session?.dispose().catch(() => undefined);
  }
}

/** Largest difference relative to the largest true logit; NaN where there is anything but numbers. */
function differenceOf(got: Float32Array, truth: Float32Array | undefined): number {
  if (truth === undefined || got.length !== truth.length) return Number.NaN;
  let [scale, worst] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    scale = Math.max(scale, Math.abs(truth[i] ?? Number.NaN));
    worst = Math.max(worst, Math.abs((truth[i] ?? Number.NaN) - (got[i] ?? Number.NaN)));
  }
  return worst / scale;
}

function reasonOf({ chunkTokens: tokens, fuses }: DevicePaths, mostTokens: number): string {
  const limits = [
    ...(tokens < mostTokens ? [`reads prompts in pieces of ${tokens} tokens, because longer ones came out wrong`] : []),
    ...(fuses ? [] : ['runs operators one by one, because fused ones came out wrong']),
  ];
  return limits.length === 0 ? '' : `This graphics device ${limits.join(' and ')}.`;
}

function textOf(tokens: number, { vocabularySize }: Architecture): number[] {
  return Array.from({ length: tokens }, (_, i) => (i * 37 + (i >> 2) + 11) % vocabularySize);
}
