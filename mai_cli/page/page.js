// What the gallery page does. No library and no request: the pictures are in data.js.
//
// What the history says is data, never markup: it gets into the page as text and attributes only,
// and an address is followed only if it leads to a file beside the page.
"use strict";

const CHUNK = 60; // cards that are added at a time, as one scrolls
// The page speaks English, with the dates and numbers of the reader's kind of it.
const LOCALE = navigator.language.startsWith("en") ? navigator.language : "en";

const $ = (id) => document.getElementById(id);
const grid = $("grid");
const viewer = $("viewer");

const pictures = (window.maiPictures ?? []).map((picture) => ({
  ...picture,
  text: fold(String(picture.prompt ?? "")), // one odd record must not hide the others
  tags: [picture.tags ?? []].flat().map(String),
}));
const state = { q: "", model: "", tag: "", sort: "", picture: "" }; // also the keys of the fragment
let found = []; // the pictures that match, in order
let current = null; // the picture in the viewer
let timer = 0; // until the fragment is written

// ---- Finding

/** `text` without case, accents and forms, as it is compared. */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function matching() {
  const words = fold(state.q).split(/\s+/).filter(Boolean);
  const id = state.q.trim().toLowerCase();
  const matches = (picture) =>
    (!state.model || picture.model === state.model) &&
    (!state.tag || picture.tags.includes(state.tag)) &&
    (words.every((word) => picture.text.includes(word)) ||
      (id.length >= 6 && picture.id.startsWith(id)));
  const list = pictures.filter(matches);
  return state.sort === "oldest" ? list.reverse() : list;
}

/** Find and show again, after the state has changed. */
function refresh() {
  found = matching();
  grid.replaceChildren();
  addChunk();
  const all = `${number(pictures.length)} ${pictures.length === 1 ? "picture" : "pictures"}`;
  const part = found.length < pictures.length;
  $("count").textContent = part ? `${number(found.length)} of ${all}` : all;
  $("no-match").hidden = !part || found.length > 0;
  $("no-pictures").hidden = pictures.length > 0;
  keepFragment();
}

// ---- The fragment, so that a link keeps what one sees

/** Write the state down a little later: browsers refuse a page that does so at every key. */
function keepFragment() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const kept = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
    history.replaceState(null, "", `#${kept}`);
  }, 150);
}

/** Take the state from the address; what does not occur here is left out. */
function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  change(Object.fromEntries(Object.keys(state).map((key) => [key, given.get(key) ?? ""])));
  const picture = found.find(({ id }) => id === state.picture);
  state.picture = picture?.id ?? "";
  if (picture) show(picture);
  else viewer.close();
}

// ---- Filters

/** Offer the `values` that occur, unless choosing one would leave nothing out. */
function offer(select, everything, values) {
  const counts = new Map();
  for (const value of values.filter(Boolean).map(String)) {
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  select.append(new Option(everything, ""));
  for (const [value, times] of [...counts].sort(([a], [b]) => a.localeCompare(b, LOCALE))) {
    // An option holds no <bdi>; these two characters isolate as it does.
    select.append(new Option(`\u2068${shortened(value, 60)}\u2069 (${number(times)})`, value));
  }
  select.parentElement.hidden = ![...counts.values()].some((times) => times < pictures.length);
}

function change(changes) {
  Object.assign(state, changes);
  if ($("words").value !== state.q) $("words").value = state.q; // the cursor stays where it is
  for (const key of ["model", "tag", "sort"]) {
    $(key).value = state[key];
    if ($(key).selectedIndex < 0) $(key).value = state[key] = "";
  }
  refresh();
}

// ---- The grid

/** Add cards up to the one at `place`, or the next ones; as chunks, since thousands are slow. */
function addChunk(place = grid.children.length) {
  const start = grid.children.length;
  if (place < start) return;
  const end = Math.min(found.length, Math.ceil((place + 1) / CHUNK) * CHUNK);
  grid.append(...found.slice(start, end).map((picture, index) => card(picture, start + index)));
  // The observer tells of changes only: ask anew, the end may still be in sight.
  observer.unobserve($("more"));
  if (end < found.length) observer.observe($("more"));
}

const observer = new IntersectionObserver(
  (entries) => entries.some((entry) => entry.isIntersecting) && addChunk(),
  { rootMargin: "1500px" },
);

function card(picture, place) {
  const made = $("card").content.cloneNode(true).firstElementChild;
  const image = made.querySelector("img");
  const caption = made.querySelector(".caption");
  made.dataset.place = place;
  made.style.setProperty("--ratio", ratio(picture));
  image.alt = name(picture);
  caption.textContent = shortened(picture.prompt ?? "Private prompt", 200);
  // What is read out once need not be read out twice.
  caption.ariaHidden = String(picture.prompt === name(picture));
  const thumb = relative(picture.thumb);
  if (thumb) image.src = thumb;
  else image.replaceWith(noPreview(picture));
  return made;
}

function noPreview(picture) {
  const more = { className: "missing", role: "img", ariaLabel: name(picture) };
  return element("span", "No preview", more);
}

/** The picture of the card that `node` is in, if it is in one. */
function pictureOf(node) {
  return found[node.closest(".card")?.dataset.place];
}

/** Move through the grid with the keys; the tabulator does as well, one by one. */
function moveInGrid(event) {
  const from = event.target.closest(".card");
  if (!from || isModified(event)) return;
  const ways = {
    ArrowLeft: () => from.previousElementSibling,
    ArrowRight: () => from.nextElementSibling,
    ArrowUp: () => nextRow(from, "previousElementSibling"),
    ArrowDown: () => nextRow(from, "nextElementSibling"),
    Home: () => grid.firstElementChild,
    End: () => (addChunk(found.length - 1), grid.lastElementChild),
  };
  if (!Object.hasOwn(ways, event.key)) return;
  event.preventDefault();
  ways[event.key]()?.querySelector("button").focus();
}

/** The card above or below `from` whose middle is nearest; rows hold different numbers. */
function nextRow(from, sibling) {
  const middle = (card) => card.offsetLeft + card.offsetWidth / 2;
  const distance = (card) => Math.abs(middle(card) - middle(from));
  let best = from;
  while (best?.offsetTop === from.offsetTop) best = best[sibling];
  for (let other = best; other && other.offsetTop === best.offsetTop; other = other[sibling]) {
    if (distance(other) < distance(best)) best = other;
  }
  return best;
}

// ---- The viewer: one picture, large

function show(picture) {
  current = picture;
  state.picture = picture.id;
  const place = found.indexOf(picture);
  $("position").textContent = `Picture ${number(place + 1)} of ${number(found.length)}`;
  $("previous").ariaDisabled = String(place === 0);
  $("next").ariaDisabled = String(place === found.length - 1);
  $("stage").replaceChildren(large(picture));
  $("prompt").textContent = picture.prompt ?? "The prompt was kept private.";
  $("prompt").classList.toggle("quiet", !picture.prompt);
  $("tags").replaceChildren(...picture.tags.map(tagItem));
  $("tags").hidden = !picture.tags.length;
  $("copy-prompt").hidden = !picture.prompt;
  $("copy-command").hidden = !picture.command;
  const file = relative(picture.picture);
  $("file").hidden = !file;
  if (file) $("file").href = file;
  $("details").replaceChildren(...details(picture).flatMap(row));
  viewer.querySelector(".facts").scrollTop = 0;
  if (viewer.open) {
    say(`${$("position").textContent}: ${name(picture)}`);
  } else {
    viewer.showModal();
    $("close").focus();
  }
  keepFragment();
}

/** A new image each time: an old one would be stretched into the new shape until it is loaded. */
function large(picture) {
  const lost = "This file cannot be shown. It may have been moved or deleted.";
  const message = element("p", lost, { className: "missing" });
  const file = relative(picture.picture);
  if (!file) return message;
  const image = element("img", "", { alt: name(picture) });
  image.style.setProperty("--ratio", ratio(picture));
  image.style.setProperty("--width", `${picture.width}px`);
  image.onload = () => image.classList.add("loaded");
  image.onerror = () => image.replaceWith(message);
  image.src = file;
  return image;
}

function step(by) {
  const picture = found[found.indexOf(current) + by];
  if (picture) show(picture);
}

/** Put the focus on the card of the picture that was seen last. */
function closed() {
  const place = found.indexOf(current);
  current = null;
  state.picture = "";
  keepFragment();
  if (place < 0) return;
  addChunk(place);
  grid.children[place].querySelector("button").focus();
}

/** A tag that finds the others. Other filters stay on, and with them this picture in sight. */
function tagItem(tag) {
  const item = element("li");
  const button = element("button", tag, { type: "button", title: "Show pictures with this tag" });
  button.onclick = () => {
    change({ tag, picture: "" });
    viewer.close();
  };
  item.append(button);
  return item;
}

function details(picture) {
  const rows = [
    ["Size", picture.width && `${picture.width} × ${picture.height} pixels`],
    ["File", picture.bytes && size(picture.bytes)],
    ["Made", picture.when && moment(picture.when)],
    ["Model", picture.model],
    ["Deployment", picture.deployment],
    ["Profile", picture.profile],
    ["Cost", cost(picture)],
    ["Time taken", picture.seconds && `${number(picture.seconds, 1)} s`],
    ["Placeholder", picture.offline ? "Drawn on this machine, not by a model" : null],
    ...Object.entries(picture.params ?? {}).map(([key, value]) => [
      label(key),
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
    ["References", (picture.images ?? []).join("\n")],
    ["Alt text", picture.alt],
    ["Content credentials", picture.signed ? "Signed" : null],
    ["Rerun of", picture.rerun_of],
    ["ID", picture.id],
  ];
  return rows.filter(([, value]) => value);
}

function row([term, value]) {
  const [title, detail] = [element("dt"), element("dd")];
  title.append(element("bdi", term));
  detail.append(value instanceof Node ? value : element("bdi", value));
  return [title, detail];
}

// ---- Copying

async function copy(button, text) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text); // not there for every page, and not always allowed
  } catch {
    done = copyBySelection(text);
  }
  button.dataset.label ??= button.textContent;
  say((button.textContent = done ? "Copied" : "Could not copy"));
  setTimeout(() => (button.textContent = button.dataset.label), 2000);
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = element("textarea", text, { className: "unseen" });
  viewer.append(area); // within the dialog: nothing outside can be selected
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

function say(text) {
  $("said").textContent = ""; // the same words twice would not be read out again
  requestAnimationFrame(() => ($("said").textContent = text));
}

// ---- Words

function name(picture) {
  return picture.alt || picture.prompt || `Picture ${picture.id}`;
}

function number(value, digits = 0) {
  return value.toLocaleString(LOCALE, { maximumFractionDigits: digits });
}

function size(bytes) {
  return bytes < 1e6 ? `${number(bytes / 1e3)} kB` : `${number(bytes / 1e6, 1)} MB`;
}

function cost(picture) {
  if (picture.offline) return "free";
  if (typeof picture.cost_usd !== "number") return "not known";
  const isLittle = picture.cost_usd > 0 && picture.cost_usd < 0.005;
  return isLittle ? "under $0.01" : `$${picture.cost_usd.toFixed(2)}`;
}

/** The time where the reader is; the exact one is a hover away. */
function moment(when) {
  const text = new Date(when).toLocaleString(LOCALE, { dateStyle: "medium", timeStyle: "short" });
  return element("time", text, { dateTime: when, title: when });
}

function label(key) {
  return key.charAt(0).toUpperCase() + key.slice(1).replaceAll("_", " ");
}

function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

function ratio({ width, height }) {
  return width > 0 && height > 0 ? width / height : 1;
}

function element(kind, text = "", more = {}) {
  return Object.assign(document.createElement(kind), { textContent: text }, more);
}

/** `url` if it leads to a file beside the page: no scheme, no other machine, no root of a disk. */
function relative(url) {
  const plain = /^[^\u0000-\u0020:/\\?#][^\u0000-\u0020:\\]*$/;
  return typeof url === "string" && plain.test(url) ? url : null;
}

function isModified(event) {
  return event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
}

// ---- Listening

$("tools").onsubmit = (event) => event.preventDefault();
$("words").oninput = (event) => change({ q: event.target.value });
for (const key of ["model", "tag", "sort"]) {
  $(key).onchange = (event) => change({ [key]: event.target.value });
}
$("clear").onclick = () => {
  change({ q: "", model: "", tag: "" });
  $("words").focus();
};
grid.onkeydown = moveInGrid;
grid.onclick = (event) => {
  const picture = pictureOf(event.target);
  if (picture) show(picture);
};
// These two do not bubble. Squares show through a picture only once it is there.
grid.addEventListener("load", ({ target }) => target.classList.add("loaded"), true);
grid.addEventListener("error", ({ target: lost }) => {
  lost.replaceWith(noPreview(pictureOf(lost)));
}, true);

$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("close").onclick = () => viewer.close();
for (const part of ["prompt", "command", "id"]) {
  $(`copy-${part}`).onclick = ({ target }) => copy(target, current[part]);
}
viewer.onclose = closed;
viewer.onclick = ({ target }) => target === viewer && viewer.close(); // beside it
viewer.onkeydown = (event) => {
  if (isModified(event)) return;
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
};

offer($("model"), "All models", pictures.map(({ model }) => model));
offer($("tag"), "All tags", pictures.flatMap(({ tags }) => [...new Set(tags)]));
readFragment();
window.onhashchange = readFragment;
