/* Puts "Refresh OCR" and "Refresh smart search" into Immich's own menus, and tells how it went.

What is looked for in Immich's page, as it is in 2.2 and 3.1 (docs/companion.md has it in words):

- A menu is `ul[role="menu"]`; its button is `button[aria-haspopup="true"]`, whose `aria-controls` is
  the menu's id. The menu is in the page before it is opened.
- An entry is `li[role="menuitem"]` with an icon, `svg > path[d]`, and a text. Icons are those of
  Material Design, so what an entry does is known by the beginning of its path in every language.
- The jobs for single photos stand together, in the viewer's menu and in that of a selection, and
  only for photos that one owns. Ours come after the last of them, and are copies of it.
- Arrow keys walk over the menu's children; the id of the one they are at stands in the menu's
  `aria-activedescendant`, and Enter clicks it.

Which photos are meant is known by Immich alone (a selection may be longer than what is on the page),
so it is asked: its own entry is clicked, and the request that it would send becomes ours.

Where something is not as it was, nothing is added, and nothing is ever thrown into Immich's page. */
(() => {
  "use strict";

  // The beginnings of Immich's icons for the jobs of single photos; the first that a menu has is
  // asked for the photos.
  const KNOWN = {
    "refresh-metadata": "M6 12.45V9.64C7.47 10.47",
    "regenerate-thumbnail": "M14.68 13.25C13.45 14.15",
    "refresh-faces": "M13 3C16.88 3 20 6.14",
    "transcode-video": "M18 14.5C19.1 14.5",
  };
  const OURS = [
    {
      name: "refresh-ocr",
      icon: "M4 8V5a1 1 0 0 1 1-1h3V2H5a3 3 0 0 0-3 3v3zm12-4h3a1 1 0 0 1 1 1v3h2V5a3 3 0 0 0-3-3h-3zM4 16H2v3a3 3 0 0 0 3 3h3v-2H5a1 1 0 0 1-1-1zm16 0v3a1 1 0 0 1-1 1h-3v2h3a3 3 0 0 0 3-3v-3zM7 7v3h2V9h2v6h-1v2h4v-2h-1V9h2v1h2V7z",
    },
    {
      name: "refresh-smart-search",
      icon: "M10 2a8 8 0 1 0 4.9 14.3l5.4 5.4 1.4-1.4-5.4-5.4A8 8 0 0 0 10 2zm0 2a6 6 0 1 1 0 12 6 6 0 0 1 0-12zm0 1.6L8.9 8.9 5.6 10l3.3 1.1 1.1 3.3 1.1-3.3 3.3-1.1-3.3-1.1z",
    },
  ];
  const JOBS = "/api/assets/jobs";
  const PART = 1000; // photos in one request
  const PATIENCE = 3000; // milliseconds in which Immich's own entry must have named the photos
  const LOST = 10; // times in a row that how far it is may not be told
  const ACTIVE = "rgb(203 213 225)"; // the colour of the entry that keys or mouse are at, in Immich

  // ---- Words, by Immich's language

  const WORDS = {
    en: {
      "refresh-ocr": "Refresh OCR",
      "refresh-smart-search": "Refresh smart search",
      waiting: "Waiting for Immich …",
      counted: "{done} of {total} done",
      done: "Done",
      failed: "{n} failed; Immich's log says why.",
      paused: "The queue is paused in Immich's job settings.",
      edited: "{n} left out: Immich makes no new vector of an edited photo.",
      noPreview: "{n} left out: there is no preview yet.",
      hidden: "{n} left out: the video half of a live photo.",
      refused: "Could not be started",
      unknown: "Immich did not tell which photos are meant.",
      lost: "It goes on, but can no longer be followed.",
      close: "Close",
    },
    "zh-hans": {
      "refresh-ocr": "刷新文字识别（OCR）",
      "refresh-smart-search": "刷新智能搜索",
      waiting: "正在等待 Immich …",
      counted: "已完成 {done} / {total}",
      done: "已完成",
      failed: "{n} 项失败，原因见 Immich 日志。",
      paused: "该队列已在 Immich 的任务设置中暂停。",
      edited: "跳过 {n} 项：Immich 不会为编辑过的照片重新生成向量。",
      noPreview: "跳过 {n} 项：尚无预览图。",
      hidden: "跳过 {n} 项：属于实况照片的视频部分。",
      refused: "无法开始",
      unknown: "Immich 没有告知所选的照片。",
      lost: "任务仍在进行，但已无法跟踪进度。",
      close: "关闭",
    },
    "zh-hant": {
      "refresh-ocr": "重新整理文字辨識（OCR）",
      "refresh-smart-search": "重新整理智慧搜尋",
      waiting: "正在等待 Immich …",
      counted: "已完成 {done} / {total}",
      done: "已完成",
      failed: "{n} 項失敗，原因請見 Immich 記錄檔。",
      paused: "此佇列已在 Immich 的任務設定中暫停。",
      edited: "略過 {n} 項：Immich 不會為編輯過的相片重新產生向量。",
      noPreview: "略過 {n} 項：尚無預覽圖。",
      hidden: "略過 {n} 項：屬於原況照片的影片部分。",
      refused: "無法開始",
      unknown: "Immich 沒有告知所選的相片。",
      lost: "任務仍在進行，但已無法追蹤進度。",
      close: "關閉",
    },
    ja: {
      "refresh-ocr": "OCRを更新",
      "refresh-smart-search": "スマートサーチを更新",
      waiting: "Immichを待っています …",
      counted: "{total}件中{done}件完了",
      done: "完了しました",
      failed: "{n}件失敗しました。理由はImmichのログにあります。",
      paused: "Immichのジョブ設定でキューが一時停止されています。",
      edited: "{n}件を除外：編集済みの写真のベクトルはImmichが作り直しません。",
      noPreview: "{n}件を除外：プレビューがまだありません。",
      hidden: "{n}件を除外：Live Photoの動画部分です。",
      refused: "開始できませんでした",
      unknown: "対象の写真をImmichから取得できませんでした。",
      lost: "処理は続きますが、進行状況は追跡できません。",
      close: "閉じる",
    },
    ko: {
      "refresh-ocr": "OCR 새로고침",
      "refresh-smart-search": "스마트 검색 새로고침",
      waiting: "Immich를 기다리는 중 …",
      counted: "{total}개 중 {done}개 완료",
      done: "완료",
      failed: "{n}개 실패. 이유는 Immich 로그에 있습니다.",
      paused: "Immich 작업 설정에서 대기열이 일시 중지되었습니다.",
      edited: "{n}개 제외: 편집된 사진의 벡터는 Immich가 다시 만들지 않습니다.",
      noPreview: "{n}개 제외: 아직 미리보기가 없습니다.",
      hidden: "{n}개 제외: 라이브 포토의 동영상 부분입니다.",
      refused: "시작할 수 없습니다",
      unknown: "어떤 사진인지 Immich가 알려주지 않았습니다.",
      lost: "작업은 계속되지만 더 이상 진행 상황을 알 수 없습니다.",
      close: "닫기",
    },
    de: {
      "refresh-ocr": "OCR aktualisieren",
      "refresh-smart-search": "Intelligente Suche aktualisieren",
      waiting: "Warten auf Immich …",
      counted: "{done} von {total} fertig",
      done: "Fertig",
      failed: "{n} fehlgeschlagen; Immichs Protokoll sagt, warum.",
      paused: "Die Warteschlange ist in Immichs Aufgaben angehalten.",
      edited: "{n} ausgelassen: Von bearbeiteten Fotos macht Immich keinen neuen Vektor.",
      noPreview: "{n} ausgelassen: Es gibt noch keine Vorschau.",
      hidden: "{n} ausgelassen: Videoteil eines Live-Fotos.",
      refused: "Konnte nicht gestartet werden",
      unknown: "Immich hat nicht gesagt, welche Fotos gemeint sind.",
      lost: "Es geht weiter, lässt sich aber nicht mehr verfolgen.",
      close: "Schließen",
    },
    fr: {
      "refresh-ocr": "Actualiser l’OCR",
      "refresh-smart-search": "Actualiser la recherche intelligente",
      waiting: "En attente d’Immich …",
      counted: "{done} sur {total} terminés",
      done: "Terminé",
      failed: "{n} en échec ; le journal d’Immich dit pourquoi.",
      paused: "La file est en pause dans les tâches d’Immich.",
      edited: "{n} laissés de côté : Immich ne refait pas le vecteur d’une photo modifiée.",
      noPreview: "{n} laissés de côté : pas encore d’aperçu.",
      hidden: "{n} laissés de côté : partie vidéo d’une photo animée.",
      refused: "Impossible de démarrer",
      unknown: "Immich n’a pas dit de quelles photos il s’agit.",
      lost: "L’opération continue, mais ne peut plus être suivie.",
      close: "Fermer",
    },
    es: {
      "refresh-ocr": "Actualizar OCR",
      "refresh-smart-search": "Actualizar búsqueda inteligente",
      waiting: "Esperando a Immich …",
      counted: "{done} de {total} listos",
      done: "Listo",
      failed: "{n} con error; el registro de Immich dice por qué.",
      paused: "La cola está en pausa en las tareas de Immich.",
      edited: "{n} omitidos: Immich no rehace el vector de una foto editada.",
      noPreview: "{n} omitidos: aún no hay vista previa.",
      hidden: "{n} omitidos: parte de vídeo de una foto en movimiento.",
      refused: "No se pudo iniciar",
      unknown: "Immich no indicó qué fotos son.",
      lost: "Continúa, pero ya no se puede seguir.",
      close: "Cerrar",
    },
    nl: {
      "refresh-ocr": "Vernieuw OCR",
      "refresh-smart-search": "Vernieuw slim zoeken",
      waiting: "Wachten op Immich …",
      counted: "{done} van {total} klaar",
      done: "Klaar",
      failed: "{n} mislukt; het logboek van Immich zegt waarom.",
      paused: "De wachtrij is gepauzeerd in de taken van Immich.",
      edited: "{n} overgeslagen: Immich maakt geen nieuwe vector van een bewerkte foto.",
      noPreview: "{n} overgeslagen: er is nog geen voorbeeld.",
      hidden: "{n} overgeslagen: videodeel van een live foto.",
      refused: "Kon niet worden gestart",
      unknown: "Immich heeft niet gezegd welke foto's het zijn.",
      lost: "Het gaat door, maar is niet meer te volgen.",
      close: "Sluiten",
    },
  };

  // Immich keeps the language that was chosen there; before that it takes the browser's.
  function language() {
    let chosen = null;
    try {
      chosen = localStorage.getItem("lang");
    } catch {
      // a browser that keeps nothing
    }
    for (const code of [chosen, ...(navigator.languages ?? [])]) {
      const tag = String(code ?? "").replaceAll('"', "").replaceAll("_", "-").toLowerCase();
      const found = tag.startsWith("zh") ? chinese(tag) : tag.split("-")[0];
      if (found in WORDS) return found;
      if (code === chosen && tag) return "en";
    }
    return "en";
  }

  function chinese(tag) {
    return /hant|tw|hk|mo/.test(tag) && !/hans/.test(tag) ? "zh-hant" : "zh-hans";
  }

  function say(key, values = {}) {
    const words = WORDS[language()][key] ?? WORDS.en[key] ?? key;
    return words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  // ---- Menus

  function quietly(run) {
    return (event) => {
      try {
        run(event);
      } catch (error) {
        console.debug("immich-aio:", error);
      }
    };
  }

  // Before Immich itself hears of it, so that the menu has its full height when it opens; and once
  // more after, for a menu that was not there before.
  function onApproach(event) {
    const button = event.target?.closest?.('button[aria-haspopup="true"][aria-controls]');
    if (!button) return;
    complete(button);
    requestAnimationFrame(quietly(() => complete(button)));
  }

  function complete(button) {
    const menu = document.getElementById(button.getAttribute("aria-controls"));
    if (menu?.getAttribute("role") !== "menu" || menu.tagName !== "UL") return;
    const last = [...jobsOf(menu).keys()].pop();
    const ours = [...menu.querySelectorAll("[data-aio]")];
    if (last && last.nextElementSibling === ours[0]) return;
    for (const entry of ours) entry.remove(); // of a photo that was shown before
    if (!last) return;
    last.after(...OURS.map((job) => entryLike(last, job, menu)));
    follow(menu);
    toasts();
  }

  // Immich's entries for jobs of single photos, and which each of them is.
  function jobsOf(menu) {
    const found = new Map();
    for (const path of menu.querySelectorAll(":scope > li[role=menuitem] > svg > path[d]")) {
      for (const [name, beginning] of Object.entries(KNOWN)) {
        if (path.getAttribute("d").startsWith(beginning)) found.set(path.closest("li"), name);
      }
    }
    return found;
  }

  let made = 0;

  function entryLike(theirs, job, menu) {
    const entry = theirs.cloneNode(true);
    entry.id = `aio-${job.name}-${++made}`;
    entry.dataset.aio = job.name;
    entry.querySelector("path").setAttribute("d", job.icon);
    const texts = document.createTreeWalker(entry, NodeFilter.SHOW_TEXT);
    let label = say(job.name);
    while (texts.nextNode()) {
      if (texts.currentNode.data.trim()) {
        texts.currentNode.data = label;
        label = "";
      }
    }
    entry.addEventListener("click", quietly(() => begin(job.name, menu)));
    entry.addEventListener("mouseenter", () => paint(entry, true));
    entry.addEventListener("mouseleave", () => paint(entry, false));
    return entry;
  }

  function paint(entry, isActive) {
    entry.style.backgroundColor = isActive ? ACTIVE : "";
  }

  const followed = new WeakSet();

  // Immich paints its own entries; where its keys are at one of ours only the menu tells.
  function follow(menu) {
    if (followed.has(menu)) return;
    followed.add(menu);
    const painted = () => {
      const active = menu.getAttribute("aria-activedescendant");
      for (const entry of menu.querySelectorAll("[data-aio]")) paint(entry, entry.id === active);
    };
    new MutationObserver(painted).observe(menu, { attributeFilter: ["aria-activedescendant"] });
  }

  // ---- Which photos are meant: Immich's own entry is clicked, and its request caught

  const send = window.fetch;
  let caught = null;

  window.fetch = function fetch(...request) {
    return caught === null ? send.apply(this, request) : catching(this, request);
  };

  async function catching(receiver, request) {
    const catcher = caught;
    const ids = await idsIn(request, catcher?.name).catch(() => null);
    if (ids === null || catcher !== caught) return send.apply(receiver, request);
    caught = null;
    catcher.resolve(ids);
    return new Promise(() => {}); // so that Immich does not tell of a job that it did not begin
  }

  async function idsIn([input, init], name) {
    const address = new URL(input instanceof Request ? input.url : input, location.href);
    const method = init?.method ?? (input instanceof Request ? input.method : "GET");
    if (method.toUpperCase() !== "POST" || address.pathname !== JOBS) return null;
    const body = await new Request(input instanceof Request ? input.clone() : address, init).json();
    const isIt = body.name === name && Array.isArray(body.assetIds) && body.assetIds.length > 0;
    return isIt ? body.assetIds : null;
  }

  function photosOf(menu) {
    const jobs = jobsOf(menu);
    const asked = Object.keys(KNOWN).find((name) => [...jobs.values()].includes(name));
    const entry = [...jobs.keys()].find((one) => jobs.get(one) === asked);
    return new Promise((resolve, reject) => {
      const catcher = { name: asked, resolve };
      caught = catcher;
      setTimeout(() => {
        if (caught === catcher) caught = null;
        reject(new Error(say("unknown")));
      }, PATIENCE);
      entry?.click();
    });
  }

  // ---- The jobs

  function begin(name, menu) {
    const toast = newToast(say(name));
    done(name, menu, toast).catch((error) => toast.end("bad", say("refused"), error?.message));
  }

  async function done(name, menu, toast) {
    const bar = menu.closest("#control-bar, #asset-selection-app-bar");
    const ids = await photosOf(menu);
    toast.say(say("waiting"));
    const refreshes = [];
    for (let start = 0; start < ids.length; start += PART) {
      refreshes.push(await queued(name, ids.slice(start, start + PART)));
    }
    bar?.querySelector("button")?.click(); // as Immich does, which ends the selection
    await toTheEnd(refreshes, toast);
  }

  async function queued(name, assetIds) {
    const response = await send.call(window, JOBS, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ assetIds, name }),
    });
    if (response.ok) return response.headers.get("X-Aio-Refresh");
    const skipped = response.headers.get("X-Aio-Skipped");
    if (skipped) throw new Error(skipped.split(" ").map((why) => say(why, { n: assetIds.length })).join(" "));
    const { message } = await response.json().catch(() => ({}));
    throw new Error([message ?? `${response.status} ${response.statusText}`].flat().join("; "));
  }

  async function toTheEnd(refreshes, toast) {
    let pause = 500;
    for (let failures = 0; failures < LOST; ) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.3, 5000);
      const reports = await Promise.all(refreshes.map(report)).catch(() => null);
      if (reports?.includes(null)) break;
      failures = reports ? 0 : failures + 1;
      if (reports && shown(sum(reports), toast)) return;
    }
    toast.end("unsure", say("lost"));
  }

  async function report(id) {
    const response = await send.call(window, `/aio/api/refreshes/${id}`, { cache: "no-store" });
    if ([401, 403, 404].includes(response.status)) return null;
    if (!response.ok) throw new Error(response.statusText);
    return response.json();
  }

  function sum(reports) {
    const all = { total: 0, done: 0, waiting: 0, failed: 0, skipped: {}, paused: false };
    for (const one of reports) {
      for (const key of ["total", "done", "waiting", "failed"]) all[key] += one[key];
      for (const [why, n] of Object.entries(one.skipped)) all.skipped[why] = (all.skipped[why] ?? 0) + n;
      all.paused ||= one.paused;
    }
    return all;
  }

  // Shows how far it is; true at the end.
  function shown(all, toast) {
    const { total, done, waiting, failed, skipped } = all;
    const wrong = Object.entries(skipped).map(([why, n]) => say(why, { n }));
    if (failed) wrong.unshift(say("failed", { n: failed }));
    toast.advance((total - waiting) / total);
    const count = total > 1 ? say("counted", { done, total }) : "";
    if (waiting) {
      toast.say(say(all.paused ? "paused" : "waiting"), count);
      return false;
    }
    const words = count || (done ? say("done") : "");
    toast.end(wrong.length === 0 ? "good" : done ? "unsure" : "bad", words, wrong.join(" "));
    return true;
  }

  // ---- Toasts, in a root of their own: neither has Immich's style for them, nor they for Immich

  const STYLE = `
    :host { all: initial !important; }
    .toasts { position: fixed; inset: auto 0 0 auto; z-index: 10000; box-sizing: border-box;
      max-width: min(26rem, 100vw); padding: 1rem; pointer-events: none; }
    .toast { position: relative; display: grid; grid-template-columns: auto 1fr auto; gap: 0.1rem 0.75rem;
      min-width: min(18rem, calc(100vw - 2rem)); margin-top: 0.5rem; padding: 0.75rem 0.5rem 0.85rem 1rem;
      overflow: hidden; border: 1px solid #dfe4e0; border-radius: 0.75rem; background: #fff; color: #1b2321;
      box-shadow: 0 6px 24px rgb(0 0 0 / 25%); font: 0.9rem/1.45 system-ui, sans-serif; pointer-events: auto; }
    .dark .toast { border-color: #2b3431; background: #1a201e; color: #e5ebe8; }
    .mark { width: 0.7rem; height: 0.7rem; margin-top: 0.35rem; border-radius: 50%; background: #4250af; }
    .dark .mark { background: #adcbfa; }
    .toast[data-end] .mark { background: #0f7b6c; }
    .toast[data-end="unsure"] .mark { background: #c77700; }
    .toast[data-end="bad"] .mark { background: #c0392b; }
    .toast:not([data-end]) .mark { animation: beat 1.2s ease-in-out infinite alternate; }
    .title { font-weight: 600; }
    .words, .detail { grid-column: 2; overflow-wrap: anywhere; }
    .words:empty, .detail:empty, .count:empty { display: none; }
    .detail, .count { opacity: 0.75; }
    .count { grid-column: 2; font-variant-numeric: tabular-nums; }
    .close { grid-row: 1 / 3; grid-column: 3; align-self: start; width: 2rem; height: 2rem; padding: 0; border: 0;
      border-radius: 50%; background: none; color: inherit; font: inherit; font-size: 1.1rem; cursor: pointer; }
    .close:hover { background: rgb(128 128 128 / 20%); }
    .close:focus-visible { outline: 2px solid #4250af; }
    .dark .close:focus-visible { outline-color: #adcbfa; }
    .bar { position: absolute; inset: auto 0 0; height: 3px; background: #4250af; transform: scaleX(0);
      transform-origin: left; transition: transform 0.3s; }
    .dark .bar { background: #adcbfa; }
    .toast[data-end] .bar { display: none; }
    @keyframes beat { to { opacity: 0.3; } }
    @media (max-width: 30rem) { .toasts { inset-inline: 0; max-width: none; } }
    @media (prefers-reduced-motion: reduce) { .mark { animation: none !important; } .bar { transition: none; } }
  `;
  let list = null;

  // Made before there is something to say: only changes to what is there are read out.
  function toasts() {
    if (list?.isConnected) return list;
    const host = document.createElement("aio-toasts");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // no <style>, which a strict policy of Immich's would refuse
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    list = element("div", { class: "toasts", role: "status", "aria-live": "polite", "aria-relevant": "additions text" });
    root.append(list);
    document.body.append(host);
    return list;
  }

  function element(tag, attributes, text = "") {
    const one = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    one.textContent = text;
    return one;
  }

  function newToast(title) {
    const all = toasts();
    all.classList.toggle("dark", document.documentElement.classList.contains("dark"));
    const parts = {
      mark: element("span", { class: "mark", "aria-hidden": "true" }),
      title: element("span", { class: "title" }, title),
      close: element("button", { class: "close", type: "button", "aria-label": say("close") }, "✕"),
      words: element("span", { class: "words" }),
      count: element("span", { class: "count", "aria-hidden": "true" }), // not to be read out each time
      detail: element("span", { class: "detail" }),
      bar: element("span", { class: "bar", "aria-hidden": "true" }),
    };
    const toast = element("div", { class: "toast", dir: "auto", lang: language() });
    toast.append(...Object.values(parts));
    parts.close.addEventListener("click", () => toast.remove());
    all.append(toast);
    const write = (part, text = "") => {
      if (parts[part].textContent !== text) parts[part].textContent = text;
    };
    return {
      say(words, count) {
        write("words", words);
        write("count", count);
      },
      advance(share) {
        parts.bar.style.transform = `scaleX(${share})`;
      },
      end(how, words, detail) {
        toast.dataset.end = how;
        write("words", words);
        write("count");
        write("detail", detail);
        setTimeout(() => toast.remove(), how === "good" ? 6000 : 20000);
      },
    };
  }

  // ----

  for (const kind of ["pointerdown", "keydown", "click", "focusin"]) {
    document.addEventListener(kind, quietly(onApproach), { capture: true, passive: true });
  }
})();
