// Shows what GET status says, again and again.

const EVERY = 2000; // milliseconds

const TASKS = {
  ocr: "OCR",
  "clip-image": "CLIP, photos",
  "clip-text": "CLIP, queries",
  faces: "faces",
  other: "other tasks",
};
const KINDS = {
  engine: "an engine of this process",
  "mt-photos": "MT-Photos protocol",
  immich: "Immich's protocol",
};

const element = (id) => document.getElementById(id);
const copy = (id) => element(id).content.firstElementChild.cloneNode(true);
const tell = (id, text) => {
  if (element(id).textContent !== text) element(id).textContent = text;
};

function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function duration(seconds, answered) {
  if (!answered) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

const size = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;

// What is wrong with a backend, if anything: "" / "resting" / "down".
function ailment(backend) {
  if (!backend.reachable) return "down";
  return backend.tasks.some((task) => task.breaker === "open") || backend.reason ? "resting" : "";
}

function verdict(status) {
  const down = status.backends.filter((backend) => ailment(backend) === "down");
  const resting = status.backends.filter((backend) => ailment(backend) === "resting");
  const names = (backends) => backends.map((backend) => backend.name).join(", ");
  if (down.length) return ["bad", `${names(down)} cannot be reached`];
  if (resting.length) return ["unsure", `${names(resting)} is not well`];
  if (status.waiting.disk_failure) return ["unsure", "The disk takes no uploads"];
  if (!status.backends.length) return ["unsure", "There is no backend"];
  return ["", status.backends.length === 1 ? "The backend is well" : "All backends are well"];
}

function advice(status, kind) {
  if (status.waiting.disk_failure) return status.waiting.disk_failure;
  if (kind === "bad") return "What nobody else can do waits here until it can be done, and is not lost.";
  if (kind === "unsure") return "Work is kept away from what fails; now and then one request tries it.";
  return "";
}

function trouble(task) {
  const made = copy("trouble");
  const state = { open: "rests", "half-open": "will be tried with the next request" }[task.breaker];
  made.firstElementChild.textContent = `${state}: ${task.reason}`;
  return made;
}

function row(task) {
  const made = copy("task");
  const find = (name) => made.querySelector(`.${name}`);
  find("name").textContent = TASKS[task.task] ?? task.task;
  const meter = made.querySelector("meter");
  meter.max = task.limit;
  meter.value = task.running;
  meter.title = `${task.running} of ${task.limit}`;
  find("running").textContent = `${task.running}/${task.limit}`;
  find("answered").textContent = task.answered;
  find("failed").textContent = task.failed;
  find("failed").classList.toggle("some", task.failed > 0);
  find("seconds").textContent = duration(task.typical_seconds, task.answered);
  return made;
}

function card(backend) {
  const made = copy("backend");
  made.querySelector("h3").textContent = backend.name;
  const ill = ailment(backend);
  const state = made.querySelector(".state");
  state.classList.add(ill || "up");
  state.textContent = { "": "well", resting: "not well", down: "away" }[ill];
  const where = backend.url ? `${KINDS[backend.kind]}, ${backend.url}` : KINDS[backend.kind];
  made.querySelector(".address").textContent =
    backend.weight === 1 ? where : `${where}, weight ${backend.weight}`;
  made.querySelector(".reason").textContent = backend.reason;
  const troubled = (task) => backend.reachable && task.breaker !== "closed";
  const rows = (task) => (troubled(task) ? [row(task), trouble(task)] : [row(task)]);
  made.querySelector("tbody").replaceChildren(...backend.tasks.flatMap(rows));
  return made;
}

function route(rule) {
  const made = document.createElement("li");
  const what = document.createElement("span");
  what.className = "what";
  const type = { visual: ", photos", textual: ", queries" }[rule.type] ?? "";
  what.textContent = rule.task === "*" ? "everything else" : rule.task + type;
  if (rule.models.length) {
    const models = document.createElement("span");
    models.className = "models";
    models.textContent = rule.models.join(", ");
    what.append(models);
  }
  const who = document.createElement("span");
  who.textContent = rule.order.map((group) => group.join(" and ")).join(", else ");
  made.append(what, who);
  return made;
}

function show(status) {
  const [kind, words] = verdict(status);
  element("verdict").className = kind;
  tell("verdict", words);
  tell("detail", advice(status, kind));
  tell("version", `version ${status.version}`);
  const waiting = Object.values(status.waiting.requests).reduce((sum, count) => sum + count, 0);
  tell("waiting", `${waiting}`);
  tell("oldest", waiting ? span(status.waiting.oldest) : "–");
  tell("memory", size(status.waiting.memory_bytes));
  tell("disk", size(status.waiting.disk_bytes));
  tell("texts", `${status.cached_texts}`);
  tell("uptime", span(status.uptime));
  element("backends").replaceChildren(...status.backends.map(card));
  element("routes").replaceChildren(...status.routes.map(route));
}

async function look() {
  try {
    const reply = await fetch("status", { cache: "no-store" });
    if (!reply.ok) throw new Error(`it answered ${reply.status}`);
    show(await reply.json());
  } catch (error) {
    element("verdict").className = "bad";
    tell("verdict", "The gateway does not answer");
    tell("detail", `${error.message ?? error}; asked again every ${EVERY / 1000} seconds.`);
  }
  setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
}

look();
