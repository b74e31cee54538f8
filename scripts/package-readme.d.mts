/** The text of `libs/realtime/README.md`. */
export function packageReadme(text: string): string;
