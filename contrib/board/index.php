<?php
// Who is online: a page over the sets ONLINE:<domain>. It needs PHP 8 and phpredis: in Debian, php-cli and php-redis.
//
//     php -S 127.0.0.1:8080 contrib/board/index.php
//
// For others than yourself, let php-fpm run it behind a web server with TLS and a login: this page asks for none.
// Its settings are environment variables (env[...] in php-fpm's pool), and mean what they mean to kamonline:
// KAMONLINE_REDIS (one server, no cluster), KAMONLINE_REDIS_PASSWORD_FILE, KAMONLINE_REDIS_CA, KAMONLINE_PREFIX,
// KAMONLINE_CHECKED_KEY. It only reads. Give it a Redis user of its own, with ~ONLINE:*, the checked key, and
// +get +scan +scard +sscan; and +select for a database other than 0.
declare(strict_types=1);
ini_set('display_errors', '0');

/** Names in one answer. In a larger set, Redis does the search. */
const LIMIT = 20_000;
/** Minutes without a check after which the sets may be wrong: kamonline has missed three runs. */
const STALE = 30;
/** Seconds that Redis has for each reply. */
const PATIENCE = 5.0;

function setting(string $name, string $default = ''): string
{
    return getenv("KAMONLINE_$name") ?: $default;
}

function connected(): Redis
{
    // parse_url() knows no URL without a host.
    $url = parse_url(str_replace('unix:///', 'unix://socket/', setting('REDIS', 'redis://127.0.0.1:6379/0')));
    parse_str($url['query'] ?? '', $query);
    $host = trim($url['host'] ?? '', '[]');
    [$host, $port, $database] = match ($url['scheme'] ?? '') {
        'unix' => [$url['path'], 0, $query['db'] ?? 0],
        'redis' => [$host, $url['port'] ?? 6379, ltrim($url['path'] ?? '', '/')],
        'rediss' => ["tls://$host", $url['port'] ?? 6379, ltrim($url['path'] ?? '', '/')],
        default => throw new Exception('KAMONLINE_REDIS does not begin with redis://, rediss:// or unix:///'),
    };
    $file = setting('REDIS_PASSWORD_FILE');
    $lines = $file ? file($file) ?: throw new Exception("$file cannot be read, or is empty") : [];
    $password = rtrim($lines[0] ?? $query['pass'] ?? rawurldecode($url['pass'] ?? ''), "\r\n");
    $trusted = array_filter(['cafile' => setting('REDIS_CA')]);
    $redis = new Redis();
    $redis->connect($host, $port, PATIENCE, null, 0, PATIENCE, $trusted ? ['stream' => $trusted] : []);
    if ($password !== '') {
        $user = $query['user'] ?? rawurldecode($url['user'] ?? '');
        answered($redis, $redis->auth($user === '' ? $password : [$user, $password]));
    }
    if ($database > 0) {
        answered($redis, $redis->select((int) $database));
    }
    return $redis;
}

/** phpredis throws some errors. For the others it returns false and keeps the message. */
function answered(Redis $redis, mixed $answer): mixed
{
    if ($error = $redis->getLastError()) {
        throw new RedisException($error);
    }
    return $answer;
}

/** What SCAN or SSCAN finds, each once, in the order of people, up to LIMIT. phpredis' own scan() hides a refusal. */
function scanned(Redis $redis, array $command, string $match): array
{
    $found = [];
    $cursor = '0';
    do {
        $reply = $redis->rawCommand(...$command, ...[$cursor, 'MATCH', $match, 'COUNT', '1000']);
        [$cursor, $page] = answered($redis, $reply);
        array_push($found, ...$page);
    } while ($cursor !== '0' && count($found) < LIMIT);
    $found = array_slice(array_unique($found), 0, LIMIT);
    sort($found, SORT_NATURAL);
    return $found;
}

/** A name as redis-cli writes it: \xNN for each byte of what is not UTF-8 or not seen, and for the backslash itself. */
function shown(string $name, int $length = 50): string
{
    $unseen = '/[\\\\\p{C}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{fe00}-\x{fe0f}\x{ffa0}]|(?! )\p{Z}|^[ \p{M}]| $/u';
    $odd = preg_match('//u', $name) ? $unseen : '/[^\x20-\x5b\x5d-\x7e]/';
    $text = preg_replace_callback($odd, fn ($found) => '\x' . implode('\x', str_split(bin2hex($found[0]), 2)), $name);
    return preg_replace('/^(.{' . $length . '}).{20,}$/su', '$1… (' . strlen($name) . ' bytes)', $text);
}

/** When kamonline last left the sets right, as far as its key tells. */
function checked(Redis $redis): array
{
    $key = setting('CHECKED_KEY');
    if ($key === '') {
        return ['state' => 'unknown', 'checked' => 'last check unknown: KAMONLINE_CHECKED_KEY is not set'];
    }
    $seconds = json_decode((string) answered($redis, $redis->get($key)), true)['checked_at_seconds'] ?? null;
    $minutes = is_int($seconds) && $seconds > 0 ? intdiv(time() - $seconds, 60) : null;
    $ago = match (true) {
        $minutes === null => 'never checked',
        $minutes < -STALE => 'checked in the future',
        $minutes < 1 => 'checked less than a minute ago',
        $minutes < 120 => "checked $minutes min ago",
        $minutes < 2880 => 'checked ' . intdiv($minutes, 60) . ' hours ago',
        default => 'checked ' . intdiv($minutes, 1440) . ' days ago',
    };
    return ['state' => $minutes === null || abs($minutes) > STALE ? 'stale' : 'fresh', 'checked' => $ago];
}

/** A row for each domain: its name, its users online, what leads to it. */
function domains(Redis $redis): array
{
    $prefix = setting('PREFIX', 'ONLINE:');
    $match = addcslashes($prefix, '\*?[]') . '*';
    $rows = [];
    foreach (array_chunk(scanned($redis, ['SCAN'], $match), 1000) as $keys) {
        $redis->multi(Redis::PIPELINE);
        array_walk($keys, fn ($key) => $redis->sCard($key));
        foreach ($redis->exec() as $at => $users) {
            $name = substr($keys[$at], strlen($prefix));
            // A key of another type has no users.
            $rows[] = $users === false ? null : [shown($name), $users, rawurlencode($name)];
        }
        str_starts_with((string) $redis->getLastError(), 'WRONGTYPE') && $redis->clearLastError();
    }
    $rows = answered($redis, array_values(array_filter($rows)));
    return ['rows' => $rows, 'online' => array_sum(array_column($rows, 1)), 'large' => count($rows) >= LIMIT];
}

/** A row for each user of a domain. */
function users(Redis $redis, string $domain, string $search): array
{
    $key = setting('PREFIX', 'ONLINE:') . $domain;
    $letter = fn ($found) => '[' . strtolower($found[0]) . strtoupper($found[0]) . ']';
    $match = $search === '' ? '*' : '*' . preg_replace_callback('/[a-z]/i', $letter, addcslashes($search, '\*?[]')) . '*';
    $online = answered($redis, $redis->sCard($key));
    $users = scanned($redis, ['SSCAN', $key], $match);
    $rows = array_map(fn ($user) => [shown($user)], $users);
    return ['domain' => shown($domain), 'rows' => $rows, 'online' => $online, 'large' => $online > LIMIT];
}

header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
header('X-Content-Type-Options: nosniff');
if (isset($_GET['json'])) {
    try {
        $redis = connected();
        [$domain, $search] = [$_GET['domain'] ?? null, $_GET['search'] ?? ''];
        $answer = ($domain === null ? domains($redis) : users($redis, (string) $domain, (string) $search)) + checked($redis);
    } catch (Throwable $error) {
        http_response_code(503);
        $answer = ['error' => 'Cannot read Redis: ' . shown(trim($error->getMessage()), 300)];
    }
    header('Content-Type: application/json');
    exit(json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE));
}
$nonce = bin2hex(random_bytes(16));
header("Content-Security-Policy: default-src 'none'; script-src 'nonce-$nonce'; style-src 'nonce-$nonce'; connect-src 'self'; "
    . "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'");
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Who is online</title>
<link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><circle cx='8' cy='8' r='7' fill='green'/></svg>">
<style nonce="<?= $nonce ?>">
:root { color-scheme: light dark; --page: light-dark(#f4f5f7, #14171c); --card: light-dark(#fff, #1d2128);
  --line: light-dark(#dde1e7, #2e343d); --text: light-dark(#1b1f24, #e4e8ee); --dim: light-dark(#5c6672, #9aa5b3);
  --link: light-dark(#0b5cad, #7fb8ff); --good: light-dark(#148a4e, #3fd07f); --warn: light-dark(#7a4a00, #f0b44c);
  --bad: light-dark(#b3261e, #ff8d85) }
* { box-sizing: border-box; margin: 0 }
[hidden] { display: none !important }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
body { max-width: 84rem; margin: auto; padding: 1.5rem clamp(1rem, 3vw, 2.5rem); font: 1rem/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; color: var(--text); background: var(--page) }
header, search { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: .25rem 1.5rem }
nav { flex-basis: 100% }
a { color: var(--link) }
h1, b { font-size: 1.6rem; line-height: 1.25 }
bdi { flex: 1; overflow-wrap: anywhere; white-space: pre-wrap }
[role=alert], code { color: var(--bad); background: color-mix(in srgb, currentColor 12%, var(--card)) }
[role=alert] { margin-top: 1rem; padding: .7rem 1rem; border-left: 4px solid; border-radius: 6px; overflow-wrap: anywhere }
code { padding: 0 .2em; border-radius: 3px; font-size: .85em }
output, footer, #checked, ::placeholder { color: var(--dim) }
#warning, .stale #checked { color: var(--warn) }
#checked::before, .users li::before { content: ""; display: inline-block; flex: none; width: .625rem; height: .625rem; margin-right: .5em;
  border-radius: 50%; background: currentColor }
.fresh #checked::before, .users li::before { background: var(--good) }
search { position: sticky; top: 0; z-index: 1; padding: 1rem 0; background: var(--page) }
input { flex: 0 1 18rem; padding: .5rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px }
ul { display: grid; align-items: start; gap: .5rem; padding: 0; list-style: none }
.domains ul { grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
.users ul { grid-template-columns: repeat(auto-fill, minmax(min(100%, 8.5rem), 1fr)); gap: .35rem }
li { position: relative; display: flex; align-items: baseline; padding: .5rem .75rem; overflow: clip; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; content-visibility: auto; contain-intrinsic-size: auto 2.5rem }
.users li { padding: .25rem .6rem; contain-intrinsic-size: auto 2.1rem }
.domains li:hover { border-color: var(--link) }
li a { text-decoration: none }
li a::after { content: ""; position: absolute; inset: 0 }
.away ul, .away #checked { opacity: .5 }
footer { margin-top: 1.5rem; font-size: .875rem }
@media (max-width: 30rem) { input { flex-basis: 100% } }
@media (prefers-reduced-motion: no-preference) { .new { animation: come 3s } }
@keyframes come { from { background: color-mix(in srgb, var(--good) 30%, var(--card)) } }
</style>
<header>
  <nav hidden id="back"><a href="?">← All domains</a></nav>
  <h1><bdi id="title">Who is online</bdi></h1>
  <p id="checked"></p>
</header>
<p role="alert" hidden id="failure"></p>
<p role="alert" hidden id="warning">kamonline has not checked this board lately. It may show users who are gone. See whether
  kamonline's timer or cron job runs, with this KAMONLINE_CHECKED_KEY.</p>
<search>
  <p><b id="online">…</b> <span id="of">users online</span></p>
  <output id="found" for="search"></output>
  <input id="search" type="search" placeholder="Search" aria-label="Search" autocomplete="off" spellcheck="false">
</search>
<main><ul id="list"></ul></main>
<footer><span id="updated"></span><noscript>This page needs JavaScript.</noscript></footer>
<script type="module" nonce="<?= $nonce ?>">
const part = Object.fromEntries([...document.querySelectorAll('[id]')].map(element => [element.id, element]));
const inDomain = location.search.startsWith('?domain=');
const items = new Map();
let answer, wake;

const create = (tag, ...content) => {
  const element = document.createElement(tag);
  element.append(...content);
  return element;
};
// No name can imitate an escape: the server escapes its backslash, too.
const escaped = text => text.split(/((?:\\x[0-9a-f]{2})+)/).map((piece, at) => at % 2 ? create('code', piece) : piece);
// Screen readers speak what is written anew.
const say = (element, ...content) => {
  if (element.textContent !== create('p', ...content).textContent) element.replaceChildren(...content);
};
const number = count => count.toLocaleString('en');
const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? '' : 's'}`;

function item([name, , id]) {
  if (inDomain) return create('li', create('bdi', ...escaped(name)));
  const link = create('a', ...escaped(name));
  link.href = `?domain=${id}`;
  return create('li', create('bdi', link), create('span'));
}
// Only what changed is touched: focus, selection and scrolling stay.
function list(rows) {
  const first = items.size === 0;
  const rowOf = new Map(rows.map(row => [row[2] ?? row[0], row]));
  for (const [key, li] of items) if (!rowOf.has(key)) { li.remove(); items.delete(key); }
  let next = part.list.firstElementChild;
  for (const [key, row] of rowOf) {
    let li = items.get(key);
    if (li === undefined) {
      items.set(key, li = item(row));
      if (!first) li.className = 'new';
    }
    if (li === next) next = next.nextElementSibling;
    else part.list.insertBefore(li, next);
    if (!inDomain) say(li.lastChild, number(row[1]));
  }
}
function filter() {
  const wanted = part.search.value.toLowerCase();
  let found = 0;
  for (const li of items.values()) found += !(li.hidden = !li.firstChild.textContent.toLowerCase().includes(wanted));
  say(part.found, wanted ? `${number(found)} found` : answer.large ? `${number(found)} of them shown` : '');
}
function show() {
  const {domain, rows, online, state, checked} = answer;
  if (inDomain) say(part.title, ...escaped(domain));
  say(part.online, number(online));
  say(part.of, `${online === 1 ? 'user' : 'users'} online${inDomain ? '' : ` in ${counted(rows.length, 'domain')}`}`);
  say(part.checked, checked);
  say(part.updated, `Updated at ${new Date().toLocaleTimeString()}`);
  part.warning.hidden = state !== 'stale';
  document.title = `${number(online)} online · ${inDomain ? domain : 'all domains'}`;
  list(rows);
  filter();
}

part.back.hidden = !inDomain;
part.search.oninput = () => { if (answer) filter(); if (answer?.large) wake?.(); };
for (;;) {
  const begun = performance.now();
  const search = part.search.value;
  const url = `${location.search || '?'}&json${answer?.large ? `&search=${encodeURIComponent(search)}` : ''}`;
  const received = await fetch(url, {signal: AbortSignal.timeout(20_000)}).then(response => response.json())
    .catch(() => ({error: 'The web server of this page does not answer.'}));
  const {error = ''} = received;
  if (!error) { answer = received; show(); }
  part.failure.hidden = !error;
  say(part.failure, error);
  document.body.className = `${inDomain ? 'users' : 'domains'} ${answer?.state} ${error && 'away'}`;
  if (answer?.large && search !== part.search.value) continue;
  const pause = error ? 5000 : Math.max(5000, 10 * (performance.now() - begun));
  await new Promise(done => { wake = done; setTimeout(done, pause); });
  while (document.hidden) await new Promise(done => document.addEventListener('visibilitychange', done, {once: true}));
}
</script>
