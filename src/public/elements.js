/** Elements of the page. Everything that people write is set as text, never as HTML. */

/**
 * Finds an element of the page.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} id
 * @returns {HTMLElementTagNameMap[T]}
 */
export function find(tag, id) {
  /** @type {HTMLElementTagNameMap[T] | null} */
  const found = document.querySelector(`${tag}#${id}`);
  if (found) return found;
  throw new Error(`The page has no ${tag} with the id ${id}`);
}

/**
 * Makes an element. Its text is set as text, never as HTML.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 */
export function element(tag, className = '', text = '') {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

/**
 * Returns a name for use within a sentence; right-to-left letters in it do not reorder the sentence.
 *
 * @param {string} name
 */
export function nameTag(name) {
  return element('bdi', '', name);
}

/**
 * Returns a round picture with the first letter of a name, in a colour of its own.
 *
 * @param {string} name
 */
export function avatar(name) {
  const picture = element('span', 'avatar', ([...name.trim()][0] ?? '?').toUpperCase());
  picture.ariaHidden = 'true';
  const hue = [...name].reduce((sum, letter) => (sum * 31 + Number(letter.codePointAt(0))) % 360, 7);
  picture.style.setProperty('--hue', String(hue));
  return picture;
}
