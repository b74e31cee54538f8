/** The text of `CHANGELOG.md` at a release. */

const TITLES = { major: 'Breaking', minor: 'Added and changed', patch: 'Fixed' };
const UNRELEASED = '## Unreleased\n';

/**
 * Puts a version's section under an empty `Unreleased`: the text that was written there by hand, then the changesets by size.
 *
 * @param {string} text the changelog
 * @param {{ version: string, date: string, changes: { type: 'major' | 'minor' | 'patch', summary: string }[] }} release
 * @returns {string}
 * @throws Error when there is no section `Unreleased`
 */
export function released(text, { version, date, changes }) {
  const start = text.indexOf(UNRELEASED);
  if (start < 0) throw new Error('CHANGELOG.md has no section "## Unreleased"');
  const bodyAt = start + UNRELEASED.length;
  const next = text.indexOf('\n## ', bodyAt);
  const end = next < 0 ? text.length : next;
  const byHand = text.slice(bodyAt, end).trim();
  const sections = Object.entries(TITLES).flatMap(([type, title]) => {
    const lines = changes.filter((change) => change.type === type).map(({ summary }) => `- ${indented(summary)}`);
    return lines.length > 0 ? [`### ${title}\n\n${lines.join('\n')}`] : [];
  });
  const body = [`## ${version} (${date})`, byHand, ...sections].filter(Boolean).join('\n\n');
  return `${text.slice(0, bodyAt)}\n${body}\n${text.slice(end)}`;
}

/** A summary of several lines stays in its list item. */
const indented = (summary) => summary.trim().replaceAll('\n', '\n  ').replaceAll(/^ +$/gm, '');
