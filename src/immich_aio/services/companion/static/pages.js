// What the companion's pages share: words in the reader's language, elements, and asking.

const WORDS = {
  en: {},
  "zh-Hans": {
    search: "搜索", status: "状态", pages: "页面", why: "照片为何被找到，又为何排在那里",
    asked: "搜索内容", find: "搜索", hint: "还可以：", more: "更多", word: "词", found: "匹配",
    rare: "出现于", weight: "权重", asking: "正在查询 …", queues: "Immich 的任务队列", queue: "队列",
    active: "运行中", waiting: "等待", failed: "失败", errors: "最近的警告与错误",
    same: "同样内容的 JSON：", prometheus: "供 Prometheus 使用：",
    searching: "正在搜索 …", nothing: "没有找到", results: "{n} 个结果", resultsMore: "前 {n} 个结果",
    textOnly: "仅按文字", noMeaning: "本次未计入语义：{reason}",
    meaning: "语义 {n}", text: "文字 {n}", noVector: "无语义向量", unlike: "文字匹配过少，未计入",
    together: "词语按原样相连", allWords: "包含所有词", unsure: "文字识别的把握：{n}",
    whole: "整词", inside: "词内", broken: "跨行", near: "近似（一字之差）", none: "未找到",
    of: "{n} / {total} 张", login: "请先登录 Immich。", away: "伴随服务没有回应",
    well: "正常", notWell: "不正常", off: "未启用", allWell: "一切正常", someNot: "{names}：不正常",
    forAdmins: "状态只向 Immich 管理员显示。", again: "每 {n} 秒重新查询。",
    immich: "Immich", index: "文字索引", gateway: "网关", clip: "语义（CLIP）", jobs: "任务队列（Redis）",
    version: "版本", ocr: "文字识别", smartSearch: "智能搜索", facialRecognition: "人脸识别",
    on: "开启", isOff: "关闭", documents: "已索引照片", photosWithText: "有文字的照片", behind: "待更新",
    lag: "上次查看", ago: "{n} 秒前", size: "大小", segmenter: "分词", shape: "表结构",
    vectorIndex: "向量索引", making: "正在建立：{done} / {total}", model: "Immich 中的模型",
    listed: "该模型的维度", column: "数据库的维度", answered: "查询向量的维度", running: "运行时间",
    paused: "已暂停", thumbnailGeneration: "生成缩略图", faceDetection: "人脸检测",
    otherLength: "维度不一致：请在 Immich 中选择同维度的模型，并重新运行智能搜索任务。",
  },
};
WORDS["zh-Hant"] = {
  ...WORDS["zh-Hans"],
  search: "搜尋", status: "狀態", pages: "頁面", why: "相片為何被找到，又為何排在那裡",
  asked: "搜尋內容", find: "搜尋", hint: "還可以：", word: "詞", found: "符合", rare: "出現於", weight: "權重",
  asking: "正在查詢 …", queues: "Immich 的工作佇列", queue: "佇列", active: "執行中", failed: "失敗",
  errors: "最近的警告與錯誤", same: "同樣內容的 JSON：", prometheus: "供 Prometheus 使用：",
  searching: "正在搜尋 …", nothing: "沒有找到", results: "{n} 個結果", resultsMore: "前 {n} 個結果",
  textOnly: "僅按文字", noMeaning: "本次未計入語意：{reason}", meaning: "語意 {n}",
  noVector: "無語意向量", unlike: "文字符合過少，未計入", together: "詞語按原樣相連", allWords: "包含所有詞",
  unsure: "文字辨識的把握：{n}", whole: "整詞", inside: "詞內", near: "近似（一字之差）", none: "未找到",
  of: "{n} / {total} 張", login: "請先登入 Immich。", away: "伴隨服務沒有回應", notWell: "不正常",
  off: "未啟用", someNot: "{names}：不正常", forAdmins: "狀態只向 Immich 管理員顯示。",
  again: "每 {n} 秒重新查詢。", index: "文字索引", gateway: "閘道", clip: "語意（CLIP）", jobs: "工作佇列（Redis）",
  ocr: "文字辨識", smartSearch: "智慧搜尋", facialRecognition: "臉孔辨識", on: "開啟", isOff: "關閉",
  documents: "已索引相片", photosWithText: "有文字的相片", lag: "上次查看", segmenter: "分詞", shape: "資料表結構",
  vectorIndex: "向量索引", making: "正在建立：{done} / {total}", model: "Immich 中的模型", listed: "該模型的維度",
  column: "資料庫的維度", answered: "查詢向量的維度", running: "執行時間", paused: "已暫停",
  thumbnailGeneration: "產生縮圖", faceDetection: "臉孔偵測",
  otherLength: "維度不一致：請在 Immich 中選擇同維度的模型，並重新執行智慧搜尋工作。",
};
const ENGLISH = {
  searching: "Searching …", nothing: "Nothing was found", results: "{n} results",
  resultsMore: "The first {n} results", textOnly: "by text alone",
  noMeaning: "Meaning did not count: {reason}", meaning: "meaning {n}", text: "text {n}",
  noVector: "no vector of its meaning", unlike: "too few of the words for its text to count",
  together: "the words stand together", allWords: "all words are there",
  unsure: "OCR's confidence {n}", whole: "as a word", inside: "inside a word",
  broken: "over a line's end", near: "nearly (one character off)", none: "not found",
  of: "{n} of {total}", login: "Log in to Immich first.", away: "The companion does not answer",
  well: "well", notWell: "not well", off: "off", allWell: "Everything is well",
  someNot: "{names}: not well", forAdmins: "How everything stands is for Immich's administrators.",
  again: "Asked again every {n} seconds.", immich: "Immich", index: "Text index", gateway: "Gateway",
  clip: "Meaning (CLIP)", jobs: "Job queues (Redis)", version: "version", active: "running", waiting: "waiting", failed: "failed", ocr: "OCR",
  smartSearch: "smart search", facialRecognition: "faces", on: "on", isOff: "off",
  documents: "photos indexed", photosWithText: "photos with text", behind: "to be taken over",
  lag: "last look", ago: "{n} s ago", size: "size", segmenter: "words cut by", shape: "tables as in",
  vectorIndex: "vector index", making: "Being made: {done} of {total}", model: "model in Immich",
  listed: "its vectors have", column: "the database's have", answered: "queries' have",
  running: "running for", paused: "paused", thumbnailGeneration: "thumbnails",
  faceDetection: "face detection",
  otherLength:
    "The lengths differ: choose a model of the same length in Immich, and run Smart Search for all.",
};

function languageOf() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("lang");
  } catch {
    // a browser that keeps nothing
  }
  for (const code of [chosen, ...navigator.languages]) {
    const tag = String(code ?? "").replaceAll('"', "").replaceAll("_", "-");
    if (!/^zh/i.test(tag)) {
      if (tag) return "en";
      continue;
    }
    return /hant|tw|hk|mo/i.test(tag) ? "zh-Hant" : "zh-Hans";
  }
  return "en";
}

export const language = languageOf();

export function say(key, values = {}) {
  const words = WORDS[language][key] ?? ENGLISH[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// English stands in the page itself.
export function translate(root = document) {
  if (root === document) document.documentElement.lang = language;
  for (const one of root.querySelectorAll("[data-say]")) {
    if (WORDS[language][one.dataset.say]) one.textContent = say(one.dataset.say);
  }
  for (const one of root.querySelectorAll("[data-say-label]")) one.ariaLabel = say(one.dataset.sayLabel);
}

export const byId = (id) => document.getElementById(id);

export function copyOf(id) {
  const made = byId(id).content.firstElementChild.cloneNode(true);
  translate(made);
  return made;
}

export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

// Raises Refused with what the server said.
export async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", ...options });
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new Refused(response.status, answer?.detail ?? `${response.status} ${response.statusText}`);
}
