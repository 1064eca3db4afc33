// The sandbox's page: thumbnails, a viewer, multi-select, built as Immich's web 3.1 builds them.

const $ = (selector) => document.querySelector(selector);
const grid = $('#asset-grid');
const selected = new Map();
let me = null;
let assets = [];
let nextSearch = null;
let numbered = 0;

class Refused extends Error {}

async function api(method, path, body) {
  const response = await fetch(`/api${path}`, {
    method,
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  if (response.ok) {
    return response.status === 204 ? null : response.json();
  }
  const { message } = await response.json().catch(() => ({ message: response.statusText }));
  throw Object.assign(new Refused(String(message)), { status: response.status });
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value);
    }
  }
  element.append(...children);
  return element;
}

// ---- Menus: a button, and beside it a list that is always there and shown when asked for

function contextMenu(title, entries) {
  const id = `svelte-${++numbered}`;
  const list = make(
    'ul',
    {
      id: `context-menu-${id}`,
      role: 'menu',
      tabindex: '-1',
      'aria-activedescendant': '',
      'aria-labelledby': `context-menu-button-${id}`,
    },
    ...entries.map((entry) =>
      entry === null ? make('hr') : menuItem(`svelte-${++numbered}`, entry, () => show(false)),
    ),
  );
  const place = make('div', { class: 'menu', tabindex: '-1', style: 'max-height: 0px' }, list);
  const button = make(
    'button',
    {
      type: 'button',
      id: `context-menu-button-${id}`,
      'aria-label': title,
      'aria-controls': `context-menu-${id}`,
      'aria-expanded': 'false',
      'aria-haspopup': 'true',
      onclick: () => show(button.getAttribute('aria-expanded') !== 'true'),
    },
    '⋮',
  );
  const whole = make('div', {}, make('div', {}, button), make('div', {}, place));

  function items() {
    return [...list.querySelectorAll('[role="menuitem"]')];
  }

  function show(open) {
    button.setAttribute('aria-expanded', String(open));
    const box = button.getBoundingClientRect();
    place.style.maxHeight = open ? `${innerHeight - box.bottom - 16}px` : '0px';
    place.style.overflow = open ? 'auto' : 'hidden';
    place.style.top = `${box.bottom + 4}px`;
    place.style.right = `${Math.max(8, innerWidth - box.right)}px`;
    activate(null);
    (open ? list : button).focus();
  }

  function activate(item) {
    for (const one of items()) {
      one.toggleAttribute('data-active', one === item);
    }
    list.setAttribute('aria-activedescendant', item ? item.id : '');
  }

  list.addEventListener('keydown', (event) => {
    const all = items();
    const at = all.findIndex((one) => one.hasAttribute('data-active'));
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const step = event.key === 'ArrowDown' ? 1 : at < 0 ? 0 : -1; // at first up to the last
      activate(all.at((at + step + all.length) % all.length));
      event.preventDefault();
    } else if (event.key === 'Enter' && at >= 0) {
      all[at].click();
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      show(false);
    }
  });
  document.addEventListener('click', (event) => {
    if (whole.isConnected && !whole.contains(event.target)) {
      place.style.maxHeight = '0px';
      button.setAttribute('aria-expanded', 'false');
    }
  });
  return whole;
}

// By how their icons begin the companion knows Immich's entries for jobs; how they go on is ours.
const AGAIN = 'zM12 4a8 8 0 1 0 8 8h-2a6 6 0 1 1-6-6v3l5-4-5-4z';
const ICONS = {
  'refresh-faces': `M13 3C16.88 3 20 6.14 20 10${AGAIN}`,
  'refresh-metadata': `M6 12.45V9.64C7.47 10.47 9.61 11 12 11${AGAIN}`,
  'regenerate-thumbnail': `M14.68 13.25C13.45 14.15 12.54 15.47 12.18 17${AGAIN}`,
  'transcode-video': `M18 14.5C19.1 14.5 20.1 14.9 20.8 15.7${AGAIN}`,
};

function icon(path) {
  const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  drawing.setAttribute('viewBox', '0 0 24 24');
  drawing.setAttribute('aria-hidden', 'true');
  line.setAttribute('d', path);
  drawing.append(line);
  return drawing;
}

function menuItem(id, { text, run, path }, close) {
  return make(
    'li',
    {
      id,
      role: 'menuitem',
      onclick: () => {
        close();
        run();
      },
    },
    ...(path ? [icon(path)] : []),
    make('div', {}, make('div', {}, text)),
  );
}

function job(text, name, ids) {
  const run = () =>
    api('POST', '/assets/jobs', { assetIds: ids(), name }).then(
      () => say(`${text}: queued`),
      (error) => say(error.message),
    );
  return { text, run, path: ICONS[name] };
}

// ---- Thumbnails and multi-select

function thumbnail(asset) {
  const tick = make('button', { type: 'button', role: 'checkbox', tabindex: '-1', 'aria-checked': 'false' }, '✓');
  const element = make(
    'div',
    {
      'data-asset': asset.id,
      'data-thumbnail-focus-container': '',
      tabindex: '0',
      role: 'link',
      onclick: (event) => (tick.contains(event.target) || selected.size ? select(asset, element) : go(`/photos/${asset.id}`)),
      onkeydown: (event) => event.key === 'Enter' && go(`/photos/${asset.id}`),
    },
    make('img', { src: `/api/assets/${asset.id}/thumbnail?size=thumbnail`, alt: asset.originalFileName, loading: 'lazy' }),
    tick,
  );
  return element;
}

function select(asset, element) {
  if (!selected.delete(asset.id)) {
    selected.set(asset.id, asset);
  }
  const chosen = selected.has(asset.id);
  element.toggleAttribute('data-selected', chosen);
  element.querySelector('[role="checkbox"]').setAttribute('aria-checked', String(chosen));
  showControlBar();
}

function clearSelection() {
  selected.clear();
  for (const element of grid.querySelectorAll('[data-selected]')) {
    element.removeAttribute('data-selected');
    element.querySelector('[role="checkbox"]').setAttribute('aria-checked', 'false');
  }
  showControlBar();
}

function showControlBar() {
  $('#control-bar')?.remove();
  if (selected.size === 0) {
    return;
  }
  const ids = () => [...selected.keys()];
  const own = [...selected.values()].every((asset) => asset.ownerId === me.id);
  const menu = contextMenu('Menu', [
    { text: 'Download', run: () => ids().forEach((id) => open(`/api/assets/${id}/original`)) },
    null,
    job('Refresh thumbnails', 'regenerate-thumbnail', ids),
    job('Refresh metadata', 'refresh-metadata', ids),
    job('Refresh encoded videos', 'transcode-video', ids),
  ]);
  const head = make(
    'div',
    {},
    make('button', { type: 'button', 'aria-label': 'Close', onclick: clearSelection }, '✕'),
    ` ${selected.size} selected`,
  );
  const tail = make('div', { 'data-control-bar-overflow': '' }, ...(own ? [menu] : []));
  document.body.append(make('div', { id: 'control-bar' }, make('div', {}, head, tail)));
}

// ---- The viewer

async function view(id) {
  $('#immich-asset-viewer')?.remove();
  const asset = await api('GET', `/assets/${id}`);
  const ids = () => [asset.id];
  const jobs =
    asset.ownerId === me.id
      ? [
          null,
          job('Refresh faces', 'refresh-faces', ids),
          job('Refresh metadata', 'refresh-metadata', ids),
          job('Refresh thumbnails', 'regenerate-thumbnail', ids),
          ...(asset.type === 'VIDEO' ? [job('Refresh encoded videos', 'transcode-video', ids)] : []),
        ]
      : [];
  const actions = make(
    'div',
    { class: 'dark', 'data-testid': 'asset-viewer-navbar-actions' },
    contextMenu('More', [{ text: 'Download', run: () => open(`/api/assets/${id}/original`) }, ...jobs]),
  );
  const back = make('button', { type: 'button', 'aria-label': 'Go back', onclick: () => history.back() }, '←');
  document.body.append(
    make(
      'section',
      { id: 'immich-asset-viewer' },
      make('nav', {}, make('div', { class: 'dark' }, back), make('span', {}, asset.originalFileName), actions),
      make(
        'div',
        { 'data-viewer-content': '' },
        make('img', { src: `/api/assets/${id}/thumbnail?size=preview`, alt: asset.originalFileName }),
      ),
    ),
  );
}

// ---- What is shown, by path

function say(message) {
  $('#message').textContent = message;
}

async function load(search) {
  const { path, body } = search;
  const { assets: found } = await api('POST', path, body);
  if (body.page === 1) {
    assets = [];
    grid.replaceChildren();
  }
  assets.push(...found.items);
  grid.append(...found.items.map(thumbnail));
  nextSearch = found.nextPage && { path, body: { ...body, page: Number(found.nextPage) } };
  $('#more').hidden = !nextSearch;
  say(`${assets.length}${nextSearch ? '+' : ''} photos`);
}

function searchOf(query) {
  if ('ocr' in query) {
    return { path: '/search/metadata', body: { page: 1, withExif: true, ...query } };
  }
  return {
    path: '/search/smart',
    body: { visibility: 'timeline', page: 1, withExif: true, ...query, language: navigator.language },
  };
}

let shown = null;

async function route() {
  const { pathname, search } = location;
  $('#login').hidden = pathname !== '/auth/login';
  $('main').hidden = $('#dashboard-navbar').hidden = pathname === '/auth/login';
  $('#immich-asset-viewer')?.remove();
  if (pathname === '/auth/login') {
    return;
  }
  try {
    me ??= await api('GET', '/users/me');
    const id = pathname.match(/^\/photos\/([\w-]+)/)?.[1];
    if (!id || shown === null) {
      clearSelection();
      const query = JSON.parse(new URLSearchParams(search).get('query') ?? 'null');
      shown = search;
      await load(query ? searchOf(query) : { path: '/search/metadata', body: { page: 1, size: 100, visibility: 'timeline' } });
    }
    if (id) {
      await view(id);
    }
  } catch (error) {
    if (error.status === 401) {
      me = null;
      go('/auth/login');
    } else {
      grid.replaceChildren();
      $('#more').hidden = true;
      say(error.message);
    }
  }
}

function go(path) {
  history.pushState({}, '', path);
  route();
}

addEventListener('popstate', route);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && $('#immich-asset-viewer')) {
    history.back();
  }
});
$('#home').addEventListener('click', (event) => {
  event.preventDefault();
  go('/photos');
});
$('#more').addEventListener('click', () => load(nextSearch).catch((error) => say(error.message)));
$('#search').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('#main-search-bar').value.trim();
  const query = JSON.stringify({ [$('#search-type').value]: text });
  go(text ? `/search?query=${encodeURIComponent(query)}` : '/photos');
});
$('#login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  try {
    await api('POST', '/auth/login', fields);
    $('#login [role="alert"]').textContent = '';
    go('/photos');
  } catch (error) {
    $('#login [role="alert"]').textContent = error.message;
  }
});
$('#logout').addEventListener('click', async () => {
  await api('POST', '/auth/logout').catch(() => null);
  me = shown = null;
  go('/auth/login');
});

route();
