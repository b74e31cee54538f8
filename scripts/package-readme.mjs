/** Turns the README of the repository into the one that npm shows: the same text, with absolute links and images. */

const REPOSITORY = 'nestjs-realtime/nestjs-realtime';
const PAGES = `https://github.com/${REPOSITORY}/blob/main/`;
const IMAGES = `https://raw.githubusercontent.com/${REPOSITORY}/main/`;

/** Code, in which nothing is a link; an image; the target of a link. */
const CODE_IMAGE_OR_LINK = /^```[^]*?^```|`[^`\n]*`|(!\[[^\]]*\])\(([^)\s]+)\)|\]\(([^)\s]+)\)/gm;

const resolve = (target, base) => (/^(#|[a-z]+:)/.test(target) ? target : base + target);

/** @returns {string} a README whose links work wherever it is shown */
export function packageReadme(text) {
  return text.replace(CODE_IMAGE_OR_LINK, (found, image, source, link) => {
    if (image) return `${image}(${resolve(source, IMAGES)})`;
    return link ? `](${resolve(link, PAGES)})` : found;
  });
}
