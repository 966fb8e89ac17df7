/**
 * EngineDouble: an engine for tests of the page's state. Its calls are recorded and stay pending until the test
 * settles them, so that any order of answers can be played. Imported by tests only.
 */

import type {
  AuditReport,
  BlendReport,
  CheckpointSummary,
  CheckReport,
  EngineApi,
  PlanSummary,
  PromptInfo,
  Reply,
  SaidToken,
  SaveReport,
  SayOutcome,
  SpeakerInfo,
  WeightsMap,
} from './engine-api.ts';

type Name = keyof EngineApi;

/** One call that was made. */
export interface Call {
  readonly name: Name;
  readonly args: readonly unknown[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export interface EngineDouble {
  readonly engine: EngineApi;
  readonly calls: Call[];
  /** The calls of one name, in order. */
  readonly of: (name: Name) => readonly Call[];
  /** Answers every call of a name at once from now on. */
  readonly answer: <N extends Name>(
    name: N,
    how: (...args: Parameters<EngineApi[N]>) => Awaited<ReturnType<EngineApi[N]>>,
  ) => void;
}

/** Makes a double; calls without an `answer` wait for the test. */
export function engineDouble(): EngineDouble {
  const calls: Call[] = [];
  const answers = new Map<Name, (...args: never[]) => unknown>();
  const call =
    (name: Name) =>
    (...args: unknown[]) =>
      new Promise<never>((resolve, reject) => {
        calls.push({ name, args, resolve: resolve as Call['resolve'], reject });
        const how = answers.get(name);
        if (!how) return;
        try {
          resolve(how(...(args as never[])) as never);
        } catch (thrown) {
          reject(thrown);
        }
      });
  const engine: EngineApi = {
    start: call('start'),
    setBudget: call('setBudget'),
    setPrecision: call('setPrecision'),
    memory: call('memory'),
    add: call('add'),
    remove: call('remove'),
    check: call('check'),
    tensors: call('tensors'),
    weigh: call('weigh'),
    survey: call('survey'),
    histogram: call('histogram'),
    blend: call('blend'),
    save: call('save'),
    cancel: call('cancel'),
    talkTo: call('talkTo'),
    prompt: call('prompt'),
    say: call('say'),
    stop: call('stop'),
    score: call('score'),
  };
  return {
    engine,
    calls,
    of: (name) => calls.filter((c) => c.name === name),
    answer: (name, how) => {
      answers.set(name, how);
    },
  };
}

export function checkpoint(name: string, part: Partial<CheckpointSummary> = {}): CheckpointSummary {
  return {
    name,
    weightFiles: ['model.safetensors'],
    tensorCount: 38,
    elements: 801_000,
    totalBytes: 1_605_576,
    dtypes: [{ dtype: 'BF16', tensors: 38 }],
    layers: 4,
    modelType: 'llama',
    hasTokenizer: true,
    hasChatTemplate: true,
    chatObstacle: null,
    ...part,
  };
}

export function checkReport(plan: Partial<PlanSummary> = {}): CheckReport {
  return {
    findings: [],
    plan: {
      mergedTensors: 38,
      copiedTensors: 0,
      readBytes: 6_400_000,
      writeBytes: 1_600_000,
      liveBytes: 86_000_000,
      mode: 'resident',
      seconds: null,
      outDtype: 'BF16',
      chat: { precision: 'f32', reason: 'The model is small.', bytes: 3_200_000 },
      ...plan,
    },
  };
}

export function weightsMap(models: readonly string[]): WeightsMap {
  return {
    detail: 'modules',
    models,
    isMuted: models.map(() => false),
    handle: 'share',
    handleMin: 0,
    handleMax: 1,
    rows: [],
    columns: [],
    cells: [],
    note: '',
  };
}

export function blendReport(blend: number, part: Partial<BlendReport> = {}): BlendReport {
  return {
    blend,
    measureMs: 0,
    blendMs: 23,
    tensors: 38,
    rewritten: 38,
    bytes: 3_200_000,
    chatObstacle: null,
    nonFinite: [],
    ...part,
  };
}

export function reply(text: string, part: Partial<Reply> = {}): Reply {
  return {
    text,
    tokens: 3,
    promptTokens: 5,
    readTokens: 5,
    stoppedBy: 'end',
    msToFirstToken: 12,
    tokensPerSecond: 40,
    blend: null,
    ...part,
  };
}

/** What `say` resolves with where one column replied. */
export function replied(text: string, part: Partial<Reply> = {}): readonly SayOutcome[] {
  return [{ reply: reply(text, part) }];
}

export function speakerInfo(part: Partial<SpeakerInfo> = {}): SpeakerInfo {
  return {
    modelType: 'llama',
    contextTokens: 512,
    hasChatTemplate: true,
    provider: 'webgpu',
    precision: 'f32',
    weightBytes: 3_200_000,
    reason: 'In float32: it is small.',
    ...part,
  };
}

export function promptInfo(tokens: number, part: Partial<PromptInfo> = {}): PromptInfo {
  return { text: 'a prompt', tokens, contextTokens: 512, template: null, ...part };
}

/** A token as a reply tells it, with its own number as its text where none is given. */
export function saidToken(token: number, text = String(token), part: Partial<SaidToken> = {}): SaidToken {
  return { token, text, probability: 0.5, alternatives: [], ...part };
}

export function saveReport(archive: File | null): SaveReport {
  return {
    files: [{ name: 'model.safetensors', bytes: 10 }],
    bytes: 10,
    milliseconds: 5,
    place: 'gpu',
    audit: auditReport(),
    archive,
    within: null,
  };
}

export function auditReport(part: Partial<AuditReport> = {}): AuditReport {
  return {
    schema: 1,
    madeWith: 'Fusewright 0.1.0',
    verdict: 'passed',
    findings: [],
    method: 'varm',
    seeds: [],
    configDtype: 'bfloat16',
    dtypes: { BF16: 1 },
    totals: {
      tensors: 1,
      plannedTensors: 1,
      bytes: 10,
      plannedBytes: 10,
      nonFinite: 0,
      norm: 1,
      smallestParents: 1,
      largestParents: 1,
      parents: [{ model: 'base', norm: 1 }],
    },
    files: [{ name: 'model.safetensors', bytes: 10, sha256: 'ab'.repeat(32) }],
    tensors: [],
    ...part,
  };
}
