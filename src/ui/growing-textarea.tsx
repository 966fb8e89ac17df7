/**
 * A text field that grows with its text, by the style sheet alone: measuring it in a script would lay out the whole page
 * whenever anything near it is drawn. Where a browser cannot do that, it scrolls and can be pulled larger.
 */

import { Textarea, type TextareaProps } from '@mantine/core';

interface GrowingTextareaProps extends Omit<TextareaProps, 'autosize' | 'minRows' | 'maxRows' | 'rows' | 'styles'> {
  readonly minRows: number;
  readonly maxRows: number;
}

/** Room above and below the lines, with the border. */
const FRAME = '0.75rem';

export function GrowingTextarea({ minRows, maxRows, ...rest }: GrowingTextareaProps) {
  return (
    <Textarea
      {...rest}
      rows={minRows}
      styles={{
        input: {
          fieldSizing: 'content',
          minHeight: `calc(${minRows}lh + ${FRAME})`,
          maxHeight: `calc(${maxRows}lh + ${FRAME})`,
          resize: 'vertical',
        },
      }}
    />
  );
}
