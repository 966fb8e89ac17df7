/** What `tools/goldens/make.py` noted beside the goldens: mergekit's failures, and where results are meant to differ. */

export interface GoldensManifest {
  /** What mergekit failed at, in its own words: a whole merge, or tensors of one. */
  readonly failures: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly differences: readonly {
    readonly cases: readonly string[];
    readonly tensors: readonly string[];
    readonly reason: string;
  }[];
}

/** The tensors of a case that mergekit made nothing of that one could be held to. */
export function failedTensors(manifest: GoldensManifest, name: string): string[] {
  const failed = manifest.failures[name] ?? {};
  return typeof failed === 'string' ? [] : Object.keys(failed);
}

/** Why a tensor of a case is meant to come out otherwise than mergekit's, or null where it is not. */
export function reasonToDiffer(manifest: GoldensManifest, name: string, tensor: string): string | null {
  const found = manifest.differences.find(({ cases, tensors }) => cases.includes(name) && tensors.includes(tensor));
  return found?.reason ?? null;
}
