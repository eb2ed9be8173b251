// Making elements, and changing no more of them than has to be changed. Text is always set as text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

export function find(id) {
  return document.getElementById(id);
}

export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

// The children of `parent` become one a item, in their order; what is there already is changed and not made anew.
export function list(parent, items, { key, create, update }) {
  const known = (parent.known ??= new Map());
  const keys = items.map(key);
  const wanted = new Set(keys);
  // First what goes: then what stays need not be moved, which would take the focus from it.
  for (const [name, { node }] of known) {
    if (wanted.has(name)) continue;
    node.remove();
    known.delete(name);
  }
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    let entry = known.get(keys[index]);
    if (!entry) known.set(keys[index], (entry = create(item)));
    update(entry, item);
    if (entry.node === place) place = place.nextElementSibling;
    else parent.insertBefore(entry.node, place);
  });
}

// For `list`: one sentence where there is nothing to list.
const NOTHING = Symbol("nothing");

export function sentence(text, name = "p") {
  const create = () => ({ node: make(name, { class: "nothing" }) });
  return { key: () => NOTHING, create, update: ({ node }) => write(node, text) };
}

// A long name, which may be broken behind each of its words.
export function breakable(name) {
  return name.split(/(?<=[_./-])/).flatMap((part, index) => (index ? [make("wbr"), part] : [part]));
}

// Text in which `words` between backticks are commands.
export function prose(node, text) {
  if (node.prose === text) return;
  node.prose = text;
  const parts = marked(text)
    .split("`")
    .map((part, index) => (index % 2 ? make("code", {}, part) : part));
  node.replaceChildren(...parts.filter((part) => part !== ""));
}

// What the listener says may be in the middle of a sentence elsewhere, and begin with a command that is not marked there.
function marked(text) {
  if (text.startsWith("forwarder ")) return text.includes("`") ? text : text.replace(/^[^;,]+/, "`$&`");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
