/**
 * EngineApi: what the page may ask of the one engine worker, as plain cloneable data. The engine owns the GPU
 * device, the open checkpoints, the statistics, the live blend and the chat; the page owns only the recipe text
 * and what it shows. Not the implementation (`engine.ts`) and not the wiring (`engine-client.ts`).
 *
 * Every promise here may reject with a Fault (it crosses the worker as `{code, message, details}`); a rejected
 * call leaves the engine as it was before. Long calls of one kind do not overlap: a new `blend` cancels the
 * running one; `cancel` stops whatever merge work runs.
 */

import type { FaultReport } from '../bytes/fault.ts';
import type { Generated } from '../chat/chat.ts';
import type { BlendedDtype, Dtype } from '../formats/dtype.ts';
import type { AuditReport } from '../merge/audit.ts';
import type { Finding } from '../merge/finding.ts';
import type { WeightsMap } from '../merge/map.ts';
import type { Mode } from '../merge/plan.ts';
import type { Progress } from '../merge/progress.ts';

export type { AuditFinding, AuditReport } from '../merge/audit.ts';
export type { Finding } from '../merge/finding.ts';
export type { MapCell, WeightsMap } from '../merge/map.ts';
export type { Progress } from '../merge/progress.ts';

/** Where the arithmetic runs, and why. */
export interface EngineInfo {
  readonly place: 'gpu' | 'cpu';
  /** One sentence for the page: the adapter's name, or why there is no GPU and what runs instead. */
  readonly reason: string;
  /** Bytes that merging and chat may hold; the user may change it. */
  readonly budgetBytes: number;
  /** The largest budget that makes sense here. */
  readonly maxBudgetBytes: number;
}

/** An open checkpoint as the page shows it. */
export interface CheckpointSummary {
  readonly name: string;
  readonly weightFiles: readonly string[];
  readonly tensorCount: number;
  /** Number of parameters. */
  readonly elements: number;
  readonly totalBytes: number;
  /** Tensors per dtype, most frequent first. */
  readonly dtypes: readonly { readonly dtype: Dtype; readonly tensors: number }[];
  readonly layers: number;
  /** `model_type` of config.json, or null. */
  readonly modelType: string | null;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** Null where it can be talked to; else the plain reason why not. */
  readonly chatObstacle: string | null;
}

/** How the work would be done. */
export interface PlanSummary {
  readonly mergedTensors: number;
  readonly copiedTensors: number;
  /** Bytes of one pass over all sources. */
  readonly readBytes: number;
  /** Bytes of the result when saved. */
  readonly writeBytes: number;
  /** Most bytes held at one time in this mode. */
  readonly liveBytes: number;
  readonly mode: Mode;
  /** Predicted seconds for the next blend; null until a rate has been seen. */
  readonly seconds: number | null;
  readonly outDtype: BlendedDtype | 'mixed';
}

/** The pre-flight's result; `plan` is null where an error refuses the merge. */
export interface CheckReport {
  readonly findings: readonly Finding[];
  readonly plan: PlanSummary | null;
}

/** What a blend did. */
export interface BlendReport {
  /** Rises by one with every blend. */
  readonly blend: number;
  /** Milliseconds of the measuring pass; 0 where statistics were reused. */
  readonly measureMs: number;
  /** Milliseconds from recipe to weights ready for chat. */
  readonly blendMs: number;
  readonly tensors: number;
  /** How many tensors had to be written again (the others were already as the recipe says). */
  readonly rewritten: number;
  readonly bytes: number;
  /** True where the result can be talked to; else `chatObstacle` says why not. */
  readonly chatObstacle: string | null;
  /** Tensors with NaN or infinity in the result; empty is good. */
  readonly nonFinite: readonly { readonly tensor: string; readonly count: number }[];
}

/** Where to save. The directory handle must be writable already (the page asks). */
export type SaveTarget =
  | { readonly kind: 'folder'; readonly handle: FileSystemDirectoryHandle }
  | { readonly kind: 'zip' };

/** What was saved; `archive` is the zip for the page to hand over as a download. */
export interface SaveReport {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly bytes: number;
  readonly milliseconds: number;
  /** Where it was merged: on a graphics adapter that is only played in software, the CPU's kernels are faster. */
  readonly place: 'gpu' | 'cpu';
  readonly audit: AuditReport;
  readonly archive: File | null;
}

/** Whom to talk to: the live blend or an open checkpoint. */
export type Speaker = { readonly kind: 'blend' } | { readonly kind: 'checkpoint'; readonly name: string };

/** A speaker that is ready. */
export interface SpeakerInfo {
  readonly modelType: string;
  readonly contextTokens: number;
  readonly hasChatTemplate: boolean;
  /** `webgpu` on our device, or `wasm` on the CPU. */
  readonly provider: 'webgpu' | 'wasm';
}

/** One turn of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A request for a reply. */
export interface SayRequest {
  readonly speaker: Speaker;
  readonly messages: readonly Message[];
  /** `chat` renders the template; `continue` continues the last message's text as it stands. */
  readonly mode: 'chat' | 'continue';
  readonly maxNewTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  readonly seed: number;
}

/** A finished reply. */
export interface Reply extends Generated {
  /** Number of the blend that answered, or null for a checkpoint. */
  readonly blend: number | null;
}

/** The engine as the page sees it, through comlink. */
export interface EngineApi {
  start(): Promise<EngineInfo>;
  setBudget(budgetBytes: number): Promise<EngineInfo>;
  /** Opens files; headers and side files only. Broken ones come back as faults and do not stop the others. */
  add(files: readonly { readonly path: string; readonly file: File }[]): Promise<{
    readonly added: readonly CheckpointSummary[];
    readonly faults: readonly { readonly file: string; readonly report: FaultReport }[];
    /** Earlier faults, as `FILE: MESSAGE`, that hold no more: files that were missing came now. */
    readonly settled?: readonly string[];
  }>;
  remove(name: string): Promise<void>;
  /** Pre-flight: reads no weight. Rejects with a RecipeFault where the recipe itself is wrong. */
  check(recipeText: string): Promise<CheckReport>;
  /** The weights map of a recipe; measures first where statistics are needed and not kept yet. */
  weigh(recipeText: string, onProgress: (progress: Progress) => void): Promise<WeightsMap>;
  /** Makes (or re-makes, touching only what changed) the live blend. */
  blend(recipeText: string, onProgress: (progress: Progress) => void): Promise<BlendReport>;
  /** Streams the merge to files: shards, config, tokenizer, `fusewright.yml`, README.md. */
  save(
    recipeText: string,
    options: { readonly name: string; readonly target: SaveTarget; readonly maxShardBytes: number },
    onProgress: (progress: Progress) => void,
  ): Promise<SaveReport>;
  /** Stops merge work (measure, blend, save) within a second. */
  cancel(): Promise<void>;
  /** Makes a speaker ready and tells about it. */
  talkTo(speaker: Speaker): Promise<SpeakerInfo>;
  /** Streams a reply: `onText` gets the text so far. */
  say(request: SayRequest, onText: (textSoFar: string) => void): Promise<Reply>;
  /** Stops the running reply; it resolves with what there is, `stoppedBy: 'user'`. */
  stop(): Promise<void>;
}
