/** A part of the page that may fail by itself: what stands in its place then is said by whoever uses it. */

import { Component, type ReactNode } from 'react';

export class Fallible extends Component<{ fallback: ReactNode; children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
