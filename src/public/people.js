/** Draws who is here: once per person, with what presence says of them. */
import { avatar, element, find, nameTag } from './elements.js';

/** @typedef {{ name: string, isMe: boolean, isTyping?: boolean, isAway?: boolean, devices?: number }} Person */

const list = find('ul', 'people');
const count = find('span', 'count');
const typing = find('p', 'typing');

/**
 * Shows the list.
 *
 * @param {readonly Person[]} people
 * @param {(name: string) => void} choose called with the person to whom the next message is to go
 */
export function showPeople(people, choose) {
  const focused = rows().find((row) => row.contains(document.activeElement))?.dataset.name;
  count.textContent = String(people.length);
  list.replaceChildren(...people.map((person) => rowOf(person, choose)));
  // The rows are new, and whoever is on one of them by keyboard stays there
  if (focused !== undefined)
    rows()
      .find(({ dataset }) => dataset.name === focused)
      ?.querySelector('button')
      ?.focus();
  showTyping(people.filter(({ isMe, isTyping }) => isTyping && !isMe));
}

/**
 * Marks the person to whom the next message goes.
 *
 * @param {string | undefined} name undefined for nobody
 */
export function markChosen(name) {
  for (const row of rows()) row.classList.toggle('chosen', row.dataset.name === name);
}

const rows = () => [...list.querySelectorAll('li')];

/**
 * @param {Person} person
 * @param {(name: string) => void} choose
 */
function rowOf(person, choose) {
  const { name, isMe, isAway } = person;
  const row = element('li', isAway ? 'is-away' : '');
  row.dataset.name = name;
  const inner = element(isMe ? 'div' : 'button', 'person');
  const said = element('span', 'said');
  said.append(element('bdi', 'name', name), element('span', 'status', statusOf(person)));
  inner.append(avatar(name), said);
  if (isMe) inner.append(element('span', 'tag', 'you'));
  else Object.assign(inner, { type: 'button', title: `Write to ${name} only`, onclick: () => choose(name) });
  row.append(inner);
  return row;
}

/** @param {Person} person */
function statusOf({ isTyping, isAway, devices = 1 }) {
  const now = isTyping ? 'typing…' : isAway ? 'away' : 'here';
  return devices > 1 ? `${now} · ${devices} devices` : now;
}

/** @param {readonly Person[]} people who are typing */
function showTyping([first, ...others]) {
  typing.replaceChildren();
  if (!first) return;
  const also = others.length > 0 ? ` and ${others.length} more are` : ' is';
  typing.append(nameTag(first.name), `${also} typing…`);
}
