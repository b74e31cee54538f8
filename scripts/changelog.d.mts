/** The changelog with the section of a new version. */
export function released(
  text: string,
  release: {
    readonly version: string;
    readonly date: string;
    readonly changes: readonly { readonly type: 'major' | 'minor' | 'patch'; readonly summary: string }[];
  },
): string;
