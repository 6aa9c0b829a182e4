<?php
// Who is online: a page over the sets ONLINE:<domain>. It needs PHP 8, phpredis (in Debian, php-redis) and Redis 6.
//
//     php -S 127.0.0.1:8080 contrib/board/index.php
//
// For others than yourself, let php-fpm run it behind a web server with TLS and a login: this page asks for none.
// Its settings are environment variables (env[...] in php-fpm's pool), and mean what they mean to kamonline:
// KAMONLINE_REDIS (one server, redis:// or rediss://, with the password), KAMONLINE_REDIS_CA, KAMONLINE_PREFIX,
// KAMONLINE_CHECKED_KEY. It only reads. Give it a Redis user of its own, with ~ONLINE:*, the checked key, and
// +get +scan +scard +sscan; and +select for a database other than 0.
declare(strict_types=1);
ini_set('display_errors', '0');

/** How many names it reads and shows: with more, a browser gets slow. */
const LIMIT = 20_000;
/** Minutes without a check after which the sets may be wrong: kamonline has missed three runs. */
const STALE = 30;

function setting(string $name, string $default = ''): string
{
    return getenv("KAMONLINE_$name") ?: $default;
}

function connected(): Redis
{
    $url = parse_url(setting('REDIS', 'redis://127.0.0.1:6379/0'));
    $scheme = ['redis' => 'tcp', 'rediss' => 'tls'][$url['scheme'] ?? '']
        ?? throw new Exception('KAMONLINE_REDIS must begin with redis:// or rediss://');
    $host = "$scheme://" . trim($url['host'], '[]');
    $trusted = array_filter(['cafile' => setting('REDIS_CA')]);
    $redis = new Redis();
    // Redis has 5 s to accept, and 5 s for each reply.
    $redis->connect($host, $url['port'] ?? 6379, 5, null, 0, 5, ['stream' => $trusted]);
    if (isset($url['pass'])) {
        $user = ($url['user'] ?? '') ?: 'default';
        answered($redis, $redis->auth([rawurldecode($user), rawurldecode($url['pass'])]));
    }
    if ($database = (int) ltrim($url['path'] ?? '', '/')) {
        answered($redis, $redis->select($database));
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

/** What SCAN or SSCAN finds, each once, in the order of people. phpredis' own scan() hides a refusal. */
function scanned(Redis $redis, array $command, array $options = []): array
{
    $found = [];
    $cursor = '0';
    do {
        $reply = $redis->rawCommand(...$command, ...[$cursor, 'COUNT', '1000', ...$options]);
        [$cursor, $page] = answered($redis, $reply);
        array_push($found, ...$page);
    } while ($cursor !== '0' && count($found) < LIMIT);
    $found = array_unique($found);
    sort($found, SORT_NATURAL);
    return $found;
}

/** A name as redis-cli writes it: \xNN for each byte of what is not UTF-8 or not seen, and for the backslash itself. */
function shown(string $name): string
{
    $unseen = '/[\\\\\p{C}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{fe00}-\x{fe0f}\x{ffa0}]|(?! )\p{Z}|^[ \p{M}]| $/u';
    $odd = preg_match('//u', $name) ? $unseen : '/[^\x20-\x5b\x5d-\x7e]/';
    $text = preg_replace_callback($odd, fn ($found) => '\x' . implode('\x', str_split(bin2hex($found[0]), 2)), $name);
    $size = strlen($name) . ' bytes, CRC ' . hash('crc32b', $name);
    return preg_replace('/^(.{50}).{40,}(.{10})$/su', "$1…$2 ($size)", $text);
}

/** When kamonline last left the sets right, as far as its key tells. */
function checked(Redis $redis): array
{
    $key = setting('CHECKED_KEY');
    if ($key === '') {
        return ['checked' => 'last check unknown: KAMONLINE_CHECKED_KEY is not set', 'warning' => ''];
    }
    $json = json_decode((string) answered($redis, $redis->get($key)), true);
    $seconds = max(0, (int) ($json['checked_at_seconds'] ?? 0));
    $minutes = intdiv(time() - $seconds, 60);
    $checked = match (true) {
        $seconds === 0 => 'never checked',
        $minutes < 0 => 'checked in the future',
        $minutes < 120 => "checked $minutes min ago",
        default => 'checked ' . intdiv($minutes, 60) . ' hours ago',
    };
    $warning = 'kamonline has not checked this board lately. It may show users who are gone. '
        . "See whether kamonline's timer or cron job runs, with this KAMONLINE_CHECKED_KEY.";
    return ['checked' => $checked, 'warning' => abs($minutes) > STALE ? $warning : ''];
}

function domains(Redis $redis): array
{
    $prefix = setting('PREFIX', 'ONLINE:');
    $keys = scanned($redis, ['SCAN'], ['MATCH', addcslashes($prefix, '\*?[]') . '*', 'TYPE', 'set']);
    $redis->multi(Redis::PIPELINE);
    foreach ($keys as $key) {
        $redis->sCard($key);
    }
    $counts = answered($redis, $redis->exec());
    $row = function (string $key, int $users) use ($prefix) {
        $domain = substr($key, strlen($prefix));
        return ['name' => shown($domain), 'link' => '?domain=' . rawurlencode($domain), 'users' => $users];
    };
    return ['rows' => array_map($row, $keys, $counts), 'online' => array_sum($counts)];
}

function users(Redis $redis, string $domain): array
{
    $key = setting('PREFIX', 'ONLINE:') . $domain;
    $rows = array_map(fn ($user) => ['name' => shown($user)], scanned($redis, ['SSCAN', $key]));
    return ['rows' => $rows, 'online' => answered($redis, $redis->sCard($key))];
}

header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');
$domain = is_string($_GET['domain'] ?? null) ? $_GET['domain'] : null;
if (isset($_GET['json'])) {
    try {
        $redis = connected();
        $answer = ($domain === null ? domains($redis) : users($redis, $domain)) + checked($redis);
        if (count($answer['rows']) >= LIMIT) {
            $answer['warning'] .= ' Too many to show all: the search knows only those below.';
        }
    } catch (Throwable $error) {
        http_response_code(503);
        $answer = ['error' => 'Cannot read Redis: ' . trim($error->getMessage()) . " (PHP's error log may say more)"];
    }
    header('Content-Type: application/json');
    exit(json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE));
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
<link rel="icon" href="data:,">
<style nonce="<?= $nonce ?>">
:root { color-scheme: light dark; --page: light-dark(#f4f5f7, #14171c); --card: light-dark(#fff, #1d2128);
  --line: light-dark(#dde1e7, #2e343d); --text: light-dark(#1b1f24, #e4e8ee); --dim: light-dark(#5c6672, #9aa5b3);
  --link: light-dark(#0b5cad, #7fb8ff); --good: light-dark(#148a4e, #3fd07f); --warn: light-dark(#7a4a00, #f0b44c) }
* { box-sizing: border-box; margin: 0 }
body { max-width: 84rem; margin: auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
  color: var(--text); background: var(--page) }
header, search { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: .25rem 1.5rem }
h1, b { font-size: 1.6rem; line-height: 1.25 }
h1, li a { white-space: pre-wrap }
a:any-link { color: var(--link) }
output, #checked { color: var(--dim) }
[role=alert] { margin-top: 1rem; padding: .7rem 1rem; border-left: 4px solid; color: var(--warn); background: var(--card) }
[role=alert]:empty, span:empty, li[hidden] { display: none }
search { position: sticky; top: 0; padding: 1rem 0; background: var(--page) }
input { flex: 1 18rem; max-width: 22rem; padding: .5rem .75rem; font: inherit; color: inherit }
input, li { border: 1px solid var(--line); border-radius: 8px; background: var(--card) }
ul { display: grid; align-items: start; gap: .5rem; padding: 0; list-style: none }
.domains { grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
.users { grid-template-columns: repeat(auto-fill, minmax(min(100%, 9rem), 1fr)) }
li { display: flex; content-visibility: auto; contain-intrinsic-size: auto 2.2rem }
li > * { padding: .3rem .6rem }
li a { flex: 1 }
.users a::before { content: "●\a0" / ""; color: var(--good) }
a:empty::after { content: "(no name)" }
.away ul, .away #checked { opacity: .5 }
</style>
<nav<?= $domain === null ? ' hidden' : '' ?>><a href="?">All domains</a></nav>
<header>
  <h1><bdi id="title"><?= $domain === null ? 'Who is online' : htmlspecialchars(shown($domain)) ?></bdi></h1>
  <p id="checked"></p>
</header>
<p role="alert" id="alert"></p>
<search>
  <p><b id="online">…</b> online</p>
  <output id="found" for="search"></output>
  <input id="search" type="search" placeholder="Search" aria-label="Search" autocomplete="off">
</search>
<main><ul id="list" class="<?= $domain === null ? 'domains' : 'users' ?>"></ul></main>
<template id="item"><li><a dir="auto"></a><span></span></li></template>
<noscript>This page needs JavaScript.</noscript>
<script type="module" nonce="<?= $nonce ?>">
const part = Object.fromEntries([...document.querySelectorAll('[id]')].map(element => [element.id, element]));
const items = new Map();

const number = count => count.toLocaleString('en');
// Screen readers speak what is written anew.
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// Only what changed is touched: focus, selection and scrolling stay.
function list(rows) {
  const rowOf = new Map(rows.map(row => [row.link ?? row.name, row]));
  for (const [key, item] of items) if (!rowOf.has(key)) { item.remove(); items.delete(key); }
  let next = part.list.firstElementChild;
  for (const [key, {name, link, users}] of rowOf) {
    let item = items.get(key);
    if (!item) {
      item = part.item.content.firstElementChild.cloneNode(true);
      item.firstChild.textContent = name;
      if (link) item.firstChild.href = link;
      items.set(key, item);
    }
    if (item === next) next = next.nextElementSibling;
    else part.list.insertBefore(item, next);
    if (link) say(item.lastChild, number(users));
  }
}

function filter() {
  const wanted = part.search.value.toLowerCase();
  let found = 0;
  for (const item of items.values()) {
    item.hidden = !item.firstChild.textContent.toLowerCase().includes(wanted);
    if (!item.hidden) found++;
  }
  say(part.found, wanted && `${number(found)} found`);
}

part.search.oninput = filter;
for (;;) {
  const begun = performance.now();
  const answer = await fetch(`${location.search || '?'}&json`, {signal: AbortSignal.timeout(20_000)})
    .then(response => response.json())
    .catch(() => ({error: 'The web server of this page does not answer. Reload it: you may have to log in again.'}));
  document.body.classList.toggle('away', 'error' in answer);
  say(part.alert, answer.error ?? answer.warning);
  if (!answer.error) {
    say(part.checked, answer.checked);
    say(part.online, number(answer.online));
    document.title = `${number(answer.online)} online · ${part.title.textContent}`;
    list(answer.rows);
    filter();
  }
  // Redis works for this page a tenth of the time at most.
  const pause = answer.error ? 0 : 10 * (performance.now() - begun);
  await new Promise(done => setTimeout(done, Math.max(5000, pause)));
}
</script>
