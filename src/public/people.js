/** Draws who is here: once per person, with what presence says of them. */
import { avatar, element, nameTag } from './conversation.js';

const [list, count, typing] = ['people', 'count', 'typing'].map((id) => document.getElementById(id));

/**
 * Shows the list.
 *
 * @param {readonly { name: string, isMe: boolean, isTyping?: boolean, isAway?: boolean, devices: number }[]} people
 * @param {(name: string) => void} choose called with the person to whom the next message is to go
 */
export function showPeople(people, choose) {
  const focused = document.activeElement?.closest('#people li')?.dataset.name;
  count.textContent = people.length;
  list.replaceChildren(...people.map((person) => rowOf(person, choose)));
  // The rows are new, and whoever is on one of them by keyboard stays there
  if (focused !== undefined) [...list.children].find(({ dataset }) => dataset.name === focused)?.firstChild.focus();
  showTyping(people.filter(({ isMe, isTyping }) => isTyping && !isMe));
}

/** Marks the person to whom the next message goes; undefined for nobody. */
export function markChosen(name) {
  for (const row of list.children) row.classList.toggle('chosen', row.dataset.name === name);
}

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

function statusOf({ isTyping, isAway, devices }) {
  const now = isTyping ? 'typing…' : isAway ? 'away' : 'here';
  return devices > 1 ? `${now} · ${devices} devices` : now;
}

function showTyping([first, ...others]) {
  typing.replaceChildren();
  if (!first) return;
  const also = others.length > 0 ? ` and ${others.length} more are` : ' is';
  typing.append(nameTag(first.name), `${also} typing…`);
}
