/** KernelError: a kernel that the CPU's compiler cannot take. A method's author reads it; a user should never. */

/** A place in a kernel's text. */
export interface Place {
  /** As `shaders/ties.wgsl`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Names the file, its line, and what is outside the language subset or wrong. */
export class KernelError extends Error {
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(`${place.file}:${place.line}: ${message}`);
    this.name = 'KernelError';
    this.place = place;
  }
}
