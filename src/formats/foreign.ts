/**
 * Foreign formats: tells by the first bytes what a file is that was given as safetensors and is not, so that the
 * message can say what to do. Not a reader of any of them.
 */

import { type Fault, MalformedFault, UnsupportedFault } from '../bytes/fault.ts';

/** As many first bytes as `foreignFault` looks at. */
export const SNIFF_BYTES = 512;

/** Every Git LFS pointer begins with this line. */
const LFS_POINTER = /^version https:\/\/git-lfs/;

/** The fault for a Git LFS pointer that lies where a file should be. */
export function lfsPointerFault(name: string): MalformedFault {
  return new MalformedFault(
    `${name} is a Git LFS pointer, not the file itself: run \`git lfs pull\` in its repository, or download it again.`,
    { file: name, found: 'git-lfs' },
  );
}

/** True where a text is a Git LFS pointer. */
export function isLfsPointer(text: string): boolean {
  return LFS_POINTER.test(text);
}

/** The fault that names what `head` (the first bytes of the file) really begins, or null where that is unknown. */
export function foreignFault(name: string, head: Uint8Array): Fault | null {
  // Latin-1 keeps every byte as one character.
  const text = String.fromCharCode(...head.subarray(0, SNIFF_BYTES));
  if (isLfsPointer(text)) return lfsPointerFault(name);
  if (text.startsWith('GGUF') || text.startsWith('ggml') || text.startsWith('lmgg')) {
    return choose(name, 'a GGUF file', 'gguf', 'the safetensors files of the same model');
  }
  if (text.startsWith('PK\x03\x04')) {
    return choose(name, 'a zip archive, as PyTorch writes .bin and .pt files', 'zip', 'a safetensors version of it');
  }
  // Protocol 2 and later; a pickled dictionary or PyTorch's magic number follows.
  if (/^\x80[\x02-\x05]/.test(text)) {
    return choose(name, 'a Python pickle, which can run code when it is read', 'pickle', 'a safetensors version of it');
  }
  if (text.startsWith('\x89HDF\r\n')) return choose(name, 'an HDF5 file', 'hdf5', 'a safetensors version of it');
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)/i.test(text)) {
    return new MalformedFault(
      `${name} is a web page, not weights: the download got a page (a login or an error) instead, so fetch it again.`,
      { file: name, found: 'html' },
    );
  }
  return null;
}

function choose(name: string, what: string, found: string, instead: string): UnsupportedFault {
  return new UnsupportedFault(`${name} is ${what}, not safetensors; choose ${instead}.`, { file: name, found });
}
