/** SurveyThresholds: where figures of a survey begin to mean something, each with its reason. */

/**
 * A change as large as the base itself: two runs from different beginnings differ by about √2 of their size, and no
 * fine-tune comes near.
 */
export const STRANGER_CHANGE = 1;

/** Fine-tunes change a base by up to a tenth of its size, long continued training by a few tenths. */
export const FAR_CHANGE = 0.5;

/** Up to here first-order reasoning about sums of changes (task arithmetic) has been found to hold. */
export const CLOSE_CHANGE = 0.2;

/** The difference of two changes of equal length is then less than a third of either. */
export const SAME_COSINE = 0.95;

/** A tenth of the squared change is then shared; changes that have nothing to do with each other are far below. */
export const SHARED_COSINE = 0.3;

/** A pair adds no more than a tenth to a sum's squared length: by length, they could as well be at right angles. */
export const ORTHOGONAL_COSINE = 0.1;

/** Below this, a sum is clearly shorter than changes at right angles would make it. */
export const OPPOSED_COSINE = -0.1;

/**
 * Changes that have nothing to do with each other disagree in half of the elements that both changed. This much of the
 * elements of the model that changed fewer is beyond chance in any tensor that is worth a word.
 */
export const OPPOSED_SHARE = 0.55;

/** From here on a share of differing signs is near enough to the half that chance makes to be explained by it. */
export const CHANCE_SHARE = 0.4;

/** By squares, as VaRM counts, one model then has nine times the other's say. */
export const UNEQUAL_RATIO = 3;

/** A part with more of the elements than this is no part worth naming. */
export const PART_SHARE = 0.75;

/** One kind of module holds this much of the squared change, and this much more than its share of the elements. */
export const MOST_CHANGE = 0.75;
export const MOST_CHANGE_BEYOND = 0.2;

/** One tensor holds this much of the squared change, and no more than that of the elements. */
export const ONE_TENSOR_CHANGE = 0.25;
export const ONE_TENSOR_SHARE = 0.1;

/** From here on more elements stayed than changed. */
export const SPARSE_SHARE = 0.5;
