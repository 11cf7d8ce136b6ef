// Small tools for the page.

export const $ = id => document.getElementById(id);

const shown = new WeakMap();

/** Sets a text, an attribute or a class only when it changes: the layout is left alone otherwise. */
export function setText(element, text) {
  if (shown.get(element) === text) return;
  shown.set(element, text);
  element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** An element: `make('button', { type: 'button', onclick }, 'words', child)`; properties where the element has them, else attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'class') element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function makeSVG(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const icon = name => makeSVG('svg', { class: 'icon', 'aria-hidden': 'true' }, makeSVG('use', { href: `#i-${name}` }));

/** A message that goes by itself; the same again only renews it. */
export function toast(text, level = 'quiet', duration = 5000) {
  const list = $('toasts');
  let element = [...list.children].find(each => each.dataset.text === text);
  if (!element) {
    element = make('p', { class: 'toast panel' }, text);
    Object.assign(element.dataset, { text, level });
    while (list.children.length > 2) list.firstChild.remove();
    list.append(element);
  }
  clearTimeout(element.timer);
  element.timer = setTimeout(() => element.remove(), duration);
}
