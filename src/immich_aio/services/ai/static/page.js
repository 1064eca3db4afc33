// The page at "/": choose photos, read them one after another, show what was found.

const KEY_NAME = "immich-aio.key";
// Every MT-Photos server is delivered with this key: where it still holds, nobody need type it.
const WELL_KNOWN_KEY = "mt_photos_ai_extra";
const BUSY_TRIES = 5;
const LONGEST_PAUSE_S = 30;
const COPIED_MS = 1600;
const UNSURE = 0.8;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const page = { jobs: [], shown: null, run: null, keyRequired: false };

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// --- The key ---------------------------------------------------------------------------------

// Storage throws where a browser forbids it; then the key lasts as long as the page.
let keyInMemory = "";

function storedKey() {
  try {
    return localStorage.getItem(KEY_NAME) ?? keyInMemory;
  } catch {
    return keyInMemory;
  }
}

function storeKey(key) {
  keyInMemory = key;
  try {
    if (key) localStorage.setItem(KEY_NAME, key);
    else localStorage.removeItem(KEY_NAME);
  } catch {
    // keyInMemory has it
  }
  byId("forget").hidden = !key;
}

// --- Asking the server -----------------------------------------------------------------------

async function post(file, signal) {
  const key = storedKey() || (page.keyRequired ? "" : WELL_KNOWN_KEY);
  if (page.keyRequired && !key) throw new Refusal(401, "");
  const body = new FormData();
  body.append("file", file, file.name || "photo");
  try {
    return await fetch("ocr/lines", {
      method: "POST",
      body,
      signal,
      headers: key ? { "api-key": key } : {},
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refusal(0, "No answer came from the server. Check that it is running, then try again.");
  }
}

async function refusalOf(response) {
  const problem = await response.json().catch(() => ({}));
  const said = problem.detail || problem.title;
  return new Refusal(response.status, said || `The server answered with status ${response.status}.`);
}

function secondsToWait(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  return Math.min(Math.max(seconds || 1, 1), LONGEST_PAUSE_S);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function askUntilFree(job, signal) {
  for (let attempt = 1; ; attempt += 1) {
    update(job, { state: "reading", note: "Reading…" });
    const response = await post(job.file, signal);
    if (response.ok) return response.json();
    if (response.status !== 429 || attempt === BUSY_TRIES) throw await refusalOf(response);
    const seconds = secondsToWait(response);
    update(job, { note: `The server is busy. Trying again in ${seconds} s.` });
    await pause(seconds, signal);
  }
}

function failure(job, error) {
  if (error.status !== 401) return { state: "error", message: error.message };
  return { state: "key", message: storedKey() ? "The last key was not accepted." : "" };
}

async function readJob(job, signal) {
  let outcome;
  try {
    const reply = await askUntilFree(job, signal);
    outcome = { state: reply.lines.length ? "done" : "none", reply };
  } catch (error) {
    outcome = failure(job, error);
  }
  if (!signal.aborted) update(job, outcome);
}

async function readWaiting() {
  page.run?.abort();
  page.run = new AbortController();
  const { signal } = page.run;
  for (const job of page.jobs.filter((each) => each.state === "reading")) {
    await readJob(job, signal);
    if (signal.aborted) return;
    if (job.state === "key") return show(job);
  }
}

function readAgain(states) {
  for (const job of page.jobs) {
    if (states.includes(job.state)) update(job, { state: "reading", note: "Waiting…" });
  }
  readWaiting();
}

async function showService() {
  const response = await fetch("aio/status").catch(() => null);
  if (!response?.ok) return;
  const service = await response.json();
  page.keyRequired = service.key_required;
  const name = `immich-aio ${service.version}`;
  byId("service").textContent = [name, service.engine, service.device].filter(Boolean).join(" · ");
  showClip(service.clip);
  showFaces(service.faces);
}

function showClip(clip) {
  const length = clip.dimension === null ? [] : [`vectors of ${clip.dimension}`];
  const choose = clip.immich_names.length ? [`in Immich: ${clip.immich_names.join(" or ")}`] : [];
  const facts = [`Smart search: ${clip.model}`, clip.engine, ...length, clip.state, ...choose];
  byId("clip").textContent = facts.join(" · ");
  byId("clip").hidden = false;
}

function showFaces(faces) {
  byId("faces").textContent = [`Faces: ${faces.pack}`, faces.engine, faces.state].join(" · ");
  byId("faces").hidden = false;
}

// --- Photos ----------------------------------------------------------------------------------

function newJob(file) {
  const job = { file, url: URL.createObjectURL(file), state: "reading", note: "Waiting…" };
  job.thumb = thumbOf(job);
  return job;
}

function kindOf(file) {
  const ending = /\.(\w{1,5})$/.exec(file.name);
  return (ending ? ending[1] : "file").toUpperCase();
}

function thumbOf(job) {
  const button = element("button", { type: "button", className: "thumb", title: job.file.name });
  const image = element("img", { src: job.url, alt: job.file.name, decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(kindOf(job.file)));
  button.append(image);
  button.addEventListener("click", () => show(job));
  return button;
}

function choose(files) {
  if (!files.length) return;
  for (const job of page.jobs) URL.revokeObjectURL(job.url);
  page.jobs = [...files].map(newJob);
  byId("strip").replaceChildren(...page.jobs.map((job) => job.thumb));
  byId("strip").hidden = page.jobs.length < 2;
  page.jobs.forEach((job) => update(job, {}));
  show(page.jobs[0]);
  readWaiting();
}

// Whether a browser can show HEIC or TIFF is known only by trying.
async function look(job) {
  const image = new Image();
  image.src = job.url;
  try {
    await image.decode();
    update(job, { visible: true, width: image.naturalWidth, height: image.naturalHeight });
  } catch {
    update(job, { visible: false });
  }
}

function show(job) {
  page.shown = job;
  for (const { thumb } of page.jobs) thumb.ariaCurrent = String(thumb === job.thumb);
  render();
  if (job.visible === undefined) look(job);
}

function update(job, change) {
  Object.assign(job, change);
  job.thumb.dataset.state = job.state;
  if (job === page.shown) render();
}

// --- Drawing ---------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function icon(name) {
  const made = drawn("svg", { class: `icon icon-${name}`, "aria-hidden": "true" });
  made.append(drawn("use", { href: `#icon-${name}` }));
  return made;
}

function render() {
  const job = page.shown;
  for (const part of document.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(job?.state ?? "empty");
  }
  if (!job) return;
  renderWords(job);
  renderFrame(job);
  if (job.drawnReply !== job.reply || page.drawn !== job) renderReply(job);
}

function renderWords(job) {
  byId("note").textContent = job.note;
  byId("message").textContent = job.message ?? "";
  byId("key-note").textContent = job.message ?? "";
  byId("file").textContent = job.file.name;
  announce(spoken(job));
  if (job.state === "key") byId("key").focus();
}

function spoken(job) {
  if (job.state === "reading") return job.note;
  if (job.state === "none") return "No text was found";
  return job.state === "done" ? countOf(job.reply.lines) : "";
}

function announce(words) {
  const status = byId("status");
  if (status.textContent !== words) status.textContent = words;
}

function countOf(lines) {
  return lines.length === 1 ? "1 line" : `${lines.length} lines`;
}

function sizeOf(job) {
  const { width, height } = job.reply ?? job;
  return width ? { width, height } : { width: 4, height: 3 };
}

function renderFrame(job) {
  const { width, height } = sizeOf(job);
  const frame = byId("frame");
  frame.style.setProperty("--width", width);
  frame.style.setProperty("--height", height);
  frame.classList.toggle("sheet", job.visible === false);
  renderPhoto(job);
  byId("size").textContent = width > 4 ? `${width} × ${height}` : "";
  byId("sheet-note").hidden = job.visible !== false || job.state === "error";
  byId("kind").hidden = job.visible !== false || Boolean(job.reply);
  byId("kind").textContent = kindOf(job.file);
}

function renderPhoto(job) {
  const photo = byId("photo");
  photo.hidden = !job.visible;
  if (job.visible && photo.src !== job.url) photo.src = job.url;
}

function renderReply(job) {
  const lines = job.reply?.lines ?? [];
  byId("count").textContent = countOf(lines);
  byId("lines").replaceChildren(...lines.map(lineItem));
  renderBoxes(job, lines);
  renderTimes(job.reply?.timings ?? {});
  for (const area of [byId("lines"), byId("boxes")]) stopsIn(area)[0]?.setAttribute("tabindex", "0");
  page.drawn = job;
  job.drawnReply = job.reply;
}

function renderBoxes(job, lines) {
  const { width, height } = sizeOf(job);
  const boxes = byId("boxes");
  boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  boxes.replaceChildren(...lines.map(box), ...lines.map(writing));
}

function box(line, index) {
  return drawn("polygon", {
    points: line.corners.map((corner) => corner.join(",")).join(" "),
    "data-line": index,
    "data-stop": "",
    tabindex: "-1",
    role: "button",
    "aria-label": line.text,
  });
}

function distance([x1, y1], [x2, y2]) {
  return Math.hypot(x2 - x1, y2 - y1);
}

// What stands on the sheet when the photo itself cannot be shown.
function writing(line) {
  const [a, b, c, d] = line.corners;
  const isTall = distance(a, d) > 1.5 * distance(a, b);
  if (!isTall) return lying(line.text, a, b, distance(a, d));
  return languageOf(line.text) ? stacked(line.text, line.corners) : lying(line.text, b, c, distance(a, b));
}

function lying(text, from, to, height) {
  return written(text, from, to, {
    y: height * 0.78,
    "font-size": height * 0.78,
    textLength: distance(from, to),
    lengthAdjust: "spacingAndGlyphs",
  });
}

function stacked(text, [a, b, , d]) {
  const width = distance(a, b);
  const step = distance(a, d) / text.length;
  const places = Array.from(text, (_, index) => (index + 0.84) * step);
  return written(text, a, b, {
    x: places.map(() => width / 2).join(" "),
    y: places.join(" "),
    "font-size": Math.min(width, step) * 0.9,
    "text-anchor": "middle",
  });
}

function written(text, from, to, attributes) {
  const turn = Math.atan2(to[1] - from[1], to[0] - from[0]) * (180 / Math.PI);
  const transform = `translate(${from.join(" ")}) rotate(${turn})`;
  const made = drawn("text", { transform, "aria-hidden": "true", ...attributes });
  made.textContent = text;
  return made;
}

function languageOf(text) {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "ja";
  if (/\p{Script=Hangul}/u.test(text)) return "ko";
  return /\p{Script=Han}/u.test(text) ? "zh-Hans" : "";
}

function lineItem(line, index) {
  const words = element("span", { className: "words", dir: "auto", lang: languageOf(line.text) });
  words.textContent = line.text;
  const button = element("button", { type: "button", className: "copy", tabIndex: -1 });
  button.ariaLabel = `Copy: ${line.text}`;
  button.dataset.stop = "";
  button.append(icon("copy"), icon("tick"));
  const scores = [score(line.textScore, "text"), score(line.boxScore, "box")];
  const item = element("li", {}, words, ...scores, button);
  item.dataset.line = index;
  return item;
}

function score(value, of) {
  const shown = element("span", { className: "score", title: `${of} score ${value.toFixed(3)}` });
  shown.textContent = Math.floor(value * 100);
  shown.classList.toggle("unsure", value < UNSURE);
  return shown;
}

function milliseconds(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function renderTimes(timings) {
  const parts = Object.entries(timings);
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  byId("bar").replaceChildren(...parts.map(timeSegment));
  const all = timeEntry(["in all", total]);
  byId("times").replaceChildren(...parts.map(timeEntry), all);
}

function timeSegment([name, value]) {
  const segment = element("span");
  segment.dataset.part = name;
  segment.style.flexGrow = value;
  return segment;
}

function timeEntry([name, value]) {
  const entry = element("div", {}, element("dt", {}, name), element("dd", {}, milliseconds(value)));
  entry.dataset.part = name;
  return entry;
}

// --- Marking a line and its box ---------------------------------------------------------------

function indexOf(target) {
  return target?.closest?.("[data-line]")?.dataset.line;
}

function mark(index) {
  for (const part of document.querySelectorAll("[data-line]")) {
    part.classList.toggle("marked", part.dataset.line === index);
  }
}

function lineAt(index) {
  return byId("lines").querySelector(`[data-line="${index}"]`);
}

function bringUp(index) {
  lineAt(index)?.scrollIntoView({ block: "nearest" });
}

function stopsIn(area) {
  return [...area.querySelectorAll("[data-stop]")];
}

// One Tab stop for the whole list; the arrows move inside it.
const moves = {
  ArrowDown: (here) => here + 1,
  ArrowRight: (here) => here + 1,
  ArrowUp: (here) => here - 1,
  ArrowLeft: (here) => here - 1,
  Home: () => 0,
  End: (_, last) => last,
};

function onKey(event) {
  const stops = stopsIn(event.currentTarget);
  const here = stops.indexOf(event.target);
  const move = moves[event.key];
  if (!move || here < 0) return;
  event.preventDefault();
  const last = stops.length - 1;
  stops[Math.min(Math.max(move(here, last), 0), last)].focus();
}

function onFocus(event) {
  if (!("stop" in event.target.dataset)) return;
  for (const stop of stopsIn(event.currentTarget)) stop.setAttribute("tabindex", "-1");
  event.target.setAttribute("tabindex", "0");
  mark(indexOf(event.target));
  bringUp(indexOf(event.target));
}

function onHover(event) {
  const index = indexOf(event.target);
  if (index === undefined) return;
  mark(index);
  // A finger that pans over the boxes must not make the page jump.
  if (event.pointerType === "mouse" && event.currentTarget === byId("boxes")) bringUp(index);
}

function goToLine(event) {
  const byKey = event.type === "keydown";
  if (byKey && event.key !== "Enter" && event.key !== " ") return;
  const index = indexOf(event.target);
  if (index === undefined) return;
  event.preventDefault();
  lineAt(index).querySelector(".copy").focus({ preventScroll: true });
}

function listenToMarks() {
  for (const area of [byId("lines"), byId("boxes")]) {
    area.addEventListener("pointerover", onHover);
    area.addEventListener("pointerleave", () => mark(indexOf(document.activeElement)));
    area.addEventListener("focusin", onFocus);
    area.addEventListener("focusout", () => mark(undefined));
    area.addEventListener("keydown", onKey);
  }
  byId("boxes").addEventListener("click", goToLine);
  byId("boxes").addEventListener("keydown", goToLine);
}

// --- Copying ---------------------------------------------------------------------------------

// navigator.clipboard exists on https and localhost only; a server at home has neither.
function copyBySelection(text) {
  const holder = element("textarea", { value: text, className: "visually-hidden" });
  const focused = document.activeElement;
  document.body.append(holder);
  holder.select();
  const copied = document.execCommand("copy");
  holder.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}

async function copy(text, place) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copied = copyBySelection(text);
  }
  announce(copied ? "Copied" : "This browser does not allow copying");
  if (copied) flash(place);
}

function flash(place) {
  place.dataset.copied = "";
  setTimeout(() => delete place.dataset.copied, COPIED_MS);
}

function copyAll() {
  const texts = page.shown.reply.lines.map((line) => line.text);
  copy(texts.join("\n"), byId("copy-all"));
}

function copyLine(event) {
  const index = indexOf(event.target);
  if (index === undefined) return;
  // Someone who drags over words to select them does not want the clipboard taken.
  if (!event.target.closest("button") && !getSelection().isCollapsed) return;
  copy(page.shown.reply.lines[index].text, lineAt(index));
}

// --- Listening -------------------------------------------------------------------------------

function listenToPickers() {
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => byId(button.dataset.opens).click());
  }
  for (const input of [byId("pick"), byId("camera")]) input.addEventListener("change", onPick);
}

function onPick(event) {
  choose([...event.target.files]);
  // So that choosing the same file once more counts as a change.
  event.target.value = "";
}

function onPaste(event) {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  choose(event.clipboardData.files);
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function onDrag(event) {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dragging");
}

function onDragEnd(event) {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
}

function onDrop(event) {
  document.body.classList.remove("dragging");
  if (!carriesFiles(event)) return;
  event.preventDefault();
  choose(event.dataTransfer.files);
}

function listenToDrops() {
  document.addEventListener("paste", onPaste);
  document.addEventListener("dragenter", onDrag);
  document.addEventListener("dragover", onDrag);
  document.addEventListener("dragleave", onDragEnd);
  document.addEventListener("drop", onDrop);
}

function onKeyGiven(event) {
  event.preventDefault();
  storeKey(byId("key").value.trim());
  byId("key").value = "";
  readAgain(["key", "reading"]);
}

function start() {
  byId("forget").hidden = !storedKey();
  byId("forget").addEventListener("click", () => storeKey(""));
  byId("again").addEventListener("click", () => readAgain(["error", "reading"]));
  byId("key-form").addEventListener("submit", onKeyGiven);
  byId("copy-all").addEventListener("click", copyAll);
  byId("lines").addEventListener("click", copyLine);
  listenToPickers();
  listenToDrops();
  listenToMarks();
  showService();
}

start();
