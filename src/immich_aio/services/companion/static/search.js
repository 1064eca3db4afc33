// Searches, and shows of each result what put it where it stands.

import { ask, byId, copyOf, element, language, say, translate } from "./pages.js";

const SVG = "http://www.w3.org/2000/svg";
const state = { query: "", page: 0, best: 0, shown: 0, asking: null };

const number = (value) => value.toFixed(3);

// ---- A result

function results(answer) {
  for (const result of answer.results) state.best = Math.max(state.best, result.score);
  byId("results").append(...answer.results.map(card));
}

function card(result) {
  const made = copyOf("result");
  const find = (selector) => made.querySelector(selector);
  find(".rank").textContent = `${result.rank}.`;
  find(".name").textContent = result.name;
  find(".photo img").src = `/api/assets/${result.id}/thumbnail?size=preview`;
  find(".photo img").alt = result.name;
  for (const link of made.querySelectorAll("a")) link.href = `/photos/${result.id}`;
  find(".photo").tabIndex = -1; // the name beside it leads to the same
  const day = { dateStyle: "long", timeZone: "UTC" }; // Immich keeps the clock where it was as UTC
  find(".taken").textContent = new Date(result.taken).toLocaleDateString(language, day);
  find(".total").textContent = number(result.score);
  made.dataset.score = JSON.stringify([result.meaning ?? 0, result.text]);
  find(".sum .meaning").textContent =
    result.meaning === null ? say("noVector") : say("meaning", { n: number(result.meaning) });
  find(".sum .text").textContent = say("text", { n: number(result.text) });
  find(".sum .text").hidden = result.words.length === 0;
  find(".notes").textContent = notes(result).join(" · ");
  find("table").hidden = result.words.length === 0;
  find("tbody").append(...result.words.map((word) => row(word, result.texts)));
  find(".lines").append(...result.lines.map(line));
  find(".boxes").append(...result.lines.flatMap(boxes));
  listen(made);
  return made;
}

function notes(result) {
  const all = [];
  if (!result.words.length || result.confidence === null) return all;
  if (!result.counts) all.push(say("unlike"));
  if (result.words.length > 1 && result.together) all.push(say("together"));
  else if (result.words.length > 1 && result.every) all.push(say("allWords"));
  all.push(say("unsure", { n: `${Math.round(result.confidence * 100)} %` }));
  return all;
}

function row(word, total) {
  const made = element("tr");
  const name = element("th", word.alternatives.join(" / "));
  name.scope = "row";
  const found = element("td", say(word.match), word.match);
  const rare = element("td", say("of", { n: word.containing, total }));
  made.append(name, found, rare, element("td", `${Math.round(word.share * 100)} %`));
  return made;
}

// Bars are as long as the best score of all that are shown.
function drawBars() {
  for (const result of byId("results").children) {
    const [meaning, text] = JSON.parse(result.dataset.score).map((part) => Math.max(part, 0));
    const rest = Math.max(state.best - meaning - text, 0);
    const parts = result.querySelectorAll(".bar > span");
    [meaning, text, rest].forEach((part, index) => (parts[index].style.flexGrow = part));
  }
}

// ---- Lines, and their boxes on the photo

function line({ text, marks }, index) {
  const made = element("li");
  made.dataset.line = index;
  made.dir = "auto";
  const letters = [...text]; // marks count characters, as Python does
  let at = 0;
  for (const [start, end] of marks) {
    made.append(letters.slice(at, start).join(""), element("mark", letters.slice(start, end).join("")));
    at = end;
  }
  made.append(letters.slice(at).join(""));
  return made;
}

function boxes({ text, corners, marks }, index) {
  const widths = [...text].map(widthOf);
  const whole = widths.reduce((sum, width) => sum + width, 0) || 1;
  const share = (end) => widths.slice(0, end).reduce((sum, width) => sum + width, 0) / whole;
  const words = marks.map(([start, end]) => polygon(between(corners, share(start), share(end)), "word", index));
  return [...words, polygon(corners, "line", index)];
}

// East Asian letters are about twice as wide as Latin ones.
function widthOf(letter) {
  return /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]/.test(letter) ? 2 : 1;
}

// The part of a line's box from one share of its length to another. Lines that stand run downwards.
function between([a, b, c, d], from, to) {
  const along = (p, q, share) => p.map((value, axis) => value + (q[axis] - value) * share);
  const far = (p, q) => Math.hypot(q[0] - p[0], q[1] - p[1]);
  if (far(a, d) > 1.5 * far(a, b)) {
    return [along(a, d, from), along(b, c, from), along(b, c, to), along(a, d, to)];
  }
  return [along(a, b, from), along(a, b, to), along(d, c, to), along(d, c, from)];
}

function polygon(corners, className, index) {
  const made = document.createElementNS(SVG, "polygon");
  made.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  made.setAttribute("class", className);
  made.dataset.line = index;
  return made;
}

function listen(made) {
  const mark = (index) => {
    for (const part of made.querySelectorAll("[data-line]")) {
      part.classList.toggle("marked", part.dataset.line === index);
    }
  };
  const lines = made.querySelector(".lines");
  lines.addEventListener("pointerover", (event) => mark(event.target.closest("[data-line]")?.dataset.line));
  lines.addEventListener("pointerleave", () => mark(undefined));
}

// ---- Asking

async function next() {
  state.asking?.abort();
  const asking = (state.asking = new AbortController());
  const page = state.page + 1;
  byId("verdict").textContent = say("searching");
  const query = new URLSearchParams({ q: state.query, page });
  try {
    const answer = await ask(`/aio/api/search?${query}`, { signal: asking.signal });
    state.page = page;
    show(answer);
  } catch (error) {
    if (error.name !== "AbortError") refuse(error);
  }
}

function show(answer) {
  results(answer);
  drawBars();
  state.shown += answer.results.length;
  const count = say(answer.more ? "resultsMore" : "results", { n: state.shown });
  const how = answer.text_only ? [say("textOnly")] : [];
  byId("verdict").textContent = state.shown ? [count, ...how].join(" · ") : say("nothing");
  tell(answer.reason && say("noMeaning", { reason: answer.reason }));
  byId("more").hidden = !answer.more;
  byId("to-status").hidden = !answer.admin;
}

function refuse(error) {
  byId("verdict").textContent = "";
  byId("more").hidden = true;
  tell(error.status === 401 ? say("login") : error.message);
}

function tell(words) {
  byId("reason").textContent = words;
  byId("reason").hidden = !words;
}

function begin(query) {
  Object.assign(state, { query, page: 0, best: 0, shown: 0 });
  byId("results").replaceChildren();
  byId("more").hidden = true;
  tell("");
  if (query) next();
}

function fromAddress() {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  byId("query").value = query;
  begin(query);
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = byId("query").value.trim();
  if (!query) return;
  history.pushState(null, "", `?${new URLSearchParams({ q: query })}`);
  begin(query);
});
byId("more").addEventListener("click", next);
addEventListener("popstate", fromAddress);
translate();
fromAddress();
