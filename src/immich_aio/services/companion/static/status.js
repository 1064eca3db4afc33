// Shows how each part stands, again and again.

import { ask, byId, copyOf, element, language, say, translate } from "./pages.js";

const EVERY = 5000; // milliseconds

// ---- Parts: each has a state, what is in the way, and facts

function immich({ reachable, reason, version, switches }) {
  const on = (name) => [say(name), say(switches[name] ? "on" : "isOff")];
  const facts = [[say("version"), version], ...Object.keys(switches).map(on)];
  return { name: say("immich"), state: reachable ? "well" : "bad", reason, facts };
}

function index(search) {
  const { state, reason, made, documents } = search;
  const facts = [
    [say("documents"), documents?.toLocaleString(language)],
    [say("photosWithText"), search.photos_with_text?.toLocaleString(language)],
    [say("behind"), search.behind],
    [say("lag"), search.lag === null ? null : say("ago", { n: Math.max(search.lag, 0).toFixed(0) })],
    [say("size"), search.bytes && `${(search.bytes / 2 ** 20).toFixed(1)} MiB`],
    [say("segmenter"), search.segmenter],
    [say("shape"), search.shape && `Immich ${search.shape}`],
    [say("vectorIndex"), search.vector_index],
  ];
  const making = made && say("making", { done: made[0], total: made[1] });
  const how = { ready: "well", off: "off", making: "unsure" }[state] ?? "bad";
  return { name: say("index"), state: how, reason: making || reason, facts };
}

function clip({ model, listed, column, answered, reason }) {
  const lengths = [listed, column, answered].filter((one) => one !== null);
  const differ = new Set(lengths).size > 1;
  return {
    name: say("clip"),
    state: differ ? "bad" : answered === null ? "unsure" : "well",
    reason: differ ? say("otherLength") : reason,
    facts: [[say("model"), model], [say("listed"), listed], [say("column"), column], [say("answered"), answered]],
  };
}

// Of the gateway's backends each is named, and those that are away say why.
function gateway(status) {
  if (status === null) return [];
  const away = status.backends.filter((backend) => !backend.reachable || backend.reason);
  const reasons = away.map((backend) => `${backend.name}: ${backend.reason || say("notWell")}`);
  const state = (backend) => [backend.name, say(away.includes(backend) ? "notWell" : "well")];
  return [
    {
      name: say("gateway"),
      state: !status.reachable ? "bad" : away.length ? "unsure" : "well",
      reason: status.reason || reasons.join("; "),
      facts: [[say("version"), status.version], ...status.backends.map(state)],
    },
  ];
}

function jobs({ reason, queues }) {
  const paused = queues.filter((queue) => queue.paused).map((queue) => say(queue.name));
  const words = reason || (paused.length ? `${say("paused")}: ${paused.join(", ")}` : "");
  const sum = (key) => queues.reduce((all, queue) => all + queue[key], 0);
  const facts = ["active", "waiting", "failed"].map((key) => [say(key), queues.length ? sum(key) : null]);
  return { name: say("jobs"), state: reason ? "bad" : paused.length ? "unsure" : "well", reason: words, facts };
}

function card({ name, state, reason, facts }) {
  const made = copyOf("part");
  made.querySelector("h2").textContent = name;
  made.querySelector(".state").className = `state ${state}`;
  made.querySelector(".state").textContent = say({ well: "well", off: "off" }[state] ?? "notWell");
  made.querySelector(".reason").textContent = reason ?? "";
  for (const [what, value] of facts) {
    if (value !== null && value !== undefined) {
      made.querySelector("dl").append(element("dt", what), element("dd", `${value}`));
    }
  }
  return made;
}

// ---- Queues and errors

function queueRow(queue) {
  const made = element("tr");
  const name = element("th", queue.paused ? `${say(queue.name)} (${say("paused")})` : say(queue.name));
  name.scope = "row";
  const failed = element("td", queue.failed, queue.failed ? "unsure" : "");
  made.append(name, element("td", queue.active), element("td", queue.waiting), failed);
  return made;
}

function errorItem({ at, level, message }) {
  const made = element("li", "", level);
  const time = element("time", new Date(at).toLocaleString(language));
  time.dateTime = at;
  made.append(time, message);
  return made;
}

// ---- All of it

function span(seconds) {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

function show(status) {
  const parts = [
    immich(status.immich),
    index(status.search),
    clip(status.meaning),
    ...gateway(status.gateway),
    jobs(status.queues),
  ];
  const ill = parts.filter((part) => !["well", "off"].includes(part.state));
  const worst = ill.some((part) => part.state === "bad") ? "bad" : "unsure";
  tell(
    ill.length ? worst : "",
    ill.length ? say("someNot", { names: ill.map((part) => part.name).join(", ") }) : say("allWell"),
    `immich-aio ${status.version} · ${say("running")} ${span(status.uptime)}`,
  );
  byId("parts").replaceChildren(...parts.map(card));
  byId("queues").replaceChildren(...status.queues.queues.map(queueRow));
  byId("queues-section").hidden = status.queues.queues.length === 0;
  byId("errors").replaceChildren(...status.errors.map(errorItem));
  byId("errors-section").hidden = status.errors.length === 0;
}

function tell(kind, words, detail) {
  byId("verdict").className = kind;
  for (const [id, text] of [["verdict", words], ["detail", detail]]) {
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }
}

function refuse(error) {
  if (error.status === 403) return tell("", say("forAdmins"), "");
  if (error.status === 401) return tell("unsure", say("login"), "");
  tell("bad", say("away"), `${error.message} ${say("again", { n: EVERY / 1000 })}`);
}

async function look(first) {
  try {
    show(await ask(`/aio/api/status${first ? "?try=1" : ""}`));
  } catch (error) {
    refuse(error);
    if (error.status === 403) return;
  }
  setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
}

translate();
look(true);
