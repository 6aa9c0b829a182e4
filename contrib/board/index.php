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
    return match ($value = getenv("KAMONLINE_$name")) {
        false => $default,
        '' => throw new Exception("KAMONLINE_$name is set and empty"),
        default => $value,
    };
}

function connected(): Redis
{
    $form = '~^redis(s?)://(?:([^:/?#]*):([^/?#]+)@)?([^][:@/?#]+|\[[0-9a-f:.]+])(?::(\d+))?(?:/(\d*))?$~Di';
    preg_match($form, setting('REDIS', 'redis://127.0.0.1:6379/0'), $url, PREG_UNMATCHED_AS_NULL)
        || throw new Exception('KAMONLINE_REDIS must be redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss://...');
    [, $tls, $user, $password, $host, $port, $database] = $url;
    $host = trim($host, '[]');
    $trusted = ['peer_name' => $host] + array_filter(['cafile' => setting('REDIS_CA')]);
    $redis = new Redis();
    // Redis has 5 s to accept, and 5 s for each reply.
    $redis->connect(($tls ? 'tls://' : 'tcp://') . $host, (int) ($port ?? 6379), 5, null, 0, 5, ['stream' => $trusted]);
    $is_accepted = $password === null
        || $redis->auth([$user === '' ? 'default' : rawurldecode($user), rawurldecode($password)]);
    $is_accepted = $is_accepted && ((int) $database === 0 || $redis->select((int) $database));
    answered($redis, $is_accepted) || throw new RedisException('it does not take the user or the database');
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

/** What SCAN or SSCAN finds, each once, as $kept makes it; and whether that is all. phpredis' own scan() hides a refusal. */
function scanned(Redis $redis, array $command, array $options, callable $kept): array
{
    $until = hrtime(true) + 15_000_000_000;
    $found = [];
    $cursor = '0';
    do {
        hrtime(true) < $until || throw new RedisException('it needs more than 15 s for this page');
        $reply = $redis->rawCommand(...$command, ...[$cursor, 'COUNT', '1000', ...$options]);
        [$cursor, $page] = answered($redis, $reply);
        $found += array_fill_keys(array_map($kept, $page), true);
    } while ($cursor !== '0' && count($found) < LIMIT);
    // PHP makes a number of a key that looks like one.
    return [array_map('strval', array_keys($found)), $cursor === '0'];
}

/** A name as redis-cli writes it: \xNN for each byte of what is not UTF-8 or not seen, and of \ and …, its own signs. */
function shown(string $name): string
{
    $fillers = '\x{34f}\x{115f}\x{1160}\x{17b4}\x{17b5}\x{2800}\x{3164}\x{ffa0}';
    $selectors = '\x{180b}-\x{180f}\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}';
    $unseen = "/[\\\\…\p{C}$fillers$selectors]|(?! )\p{Z}|^[ \p{M}]| $/u";
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
    $late = 'kamonline has not checked this board lately. It may show users who are gone. '
        . "See whether kamonline's timer or cron job runs, with this KAMONLINE_CHECKED_KEY.";
    [$checked, $warning] = match (true) {
        $seconds === 0 => ['never checked', $late],
        $minutes < 0 => ['checked in the future', "The clocks of kamonline's machine and of this one differ."],
        $minutes < 120 => ["checked $minutes min ago", $minutes > STALE ? $late : ''],
        default => ['checked ' . intdiv($minutes, 60) . ' hours ago', $late],
    };
    return ['checked' => $checked, 'warning' => $warning];
}

function domains(Redis $redis): array
{
    $prefix = setting('PREFIX', 'ONLINE:');
    $options = ['MATCH', addcslashes($prefix, '\*?[]') . '*', 'TYPE', 'set'];
    [$keys, $is_all] = scanned($redis, ['SCAN'], $options, fn ($key) => $key);
    $redis->multi(Redis::PIPELINE);
    foreach ($keys as $key) {
        $redis->sCard($key);
    }
    $counts = answered($redis, $redis->exec());
    $row = function (string $key, int $users) use ($prefix) {
        $domain = substr($key, strlen($prefix));
        return ['name' => shown($domain), 'link' => '?domain=' . rawurlencode($domain), 'users' => $users];
    };
    return ['rows' => array_map($row, $keys, $counts), 'online' => array_sum($counts), 'is_all' => $is_all];
}

function users(Redis $redis, string $domain): array
{
    $key = setting('PREFIX', 'ONLINE:') . $domain;
    [$names, $is_all] = scanned($redis, ['SSCAN', $key], [], 'shown');
    $rows = array_map(fn ($name) => ['name' => $name], $names);
    return ['rows' => $rows, 'online' => answered($redis, $redis->sCard($key)), 'is_all' => $is_all];
}

header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');
$domain = is_string($_GET['domain'] ?? null) ? $_GET['domain'] : null;
if (isset($_GET['json'])) {
    try {
        $redis = connected();
        $answer = ($domain === null ? domains($redis) : users($redis, $domain)) + checked($redis);
        usort($answer['rows'], fn ($a, $b) => strnatcmp($a['name'], $b['name']) ?: strcmp($a['name'], $b['name']));
        $answer['warning'] .= $answer['is_all'] ? '' : ' Too many to show all: the search knows only those below.';
    } catch (Throwable $error) {
        http_response_code(503);
        $answer = ['error' => 'Cannot read Redis: ' . trim($error->getMessage()) . " (PHP's error log may say more)."];
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
  --link: light-dark(#0b5cad, #7fb8ff); --good: light-dark(#148a4e, #3fd07f); --warn: light-dark(#7a4a00, #f0b44c);
  scroll-padding-top: 8rem }
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
search { position: sticky; top: 0; z-index: 1; padding: 1rem 0; background: var(--page) }
input { flex: 1 18rem; max-width: 22rem; padding: .5rem .75rem; font: inherit; color: inherit }
input, li { border: 1px solid var(--line); border-radius: 8px; background: var(--card) }
ul { display: grid; align-items: start; gap: .5rem; padding: 0; list-style: none }
.domains { grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
.users { grid-template-columns: repeat(auto-fill, minmax(min(100%, 9rem), 1fr)) }
li { display: flex; content-visibility: auto; contain-intrinsic-size: auto 2.2rem }
li > * { padding: .3rem .6rem }
li a { flex: 1; outline-offset: -3px }
.users a::before { content: "●\a0" / ""; color: var(--good) }
a:empty::after { content: "(no name)" }
.away ul { opacity: .5 }
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
let age = '';
for (;;) {
  const begun = performance.now();
  // A proxy that answers in its place may speak JSON, too.
  const answer = await fetch(`${location.search || '?'}&json`, {signal: AbortSignal.timeout(30_000)})
    .then(response => response.json())
    .then(json => Array.isArray(json.rows) || typeof json.error === 'string' ? json : Promise.reject())
    .catch(() => ({error: 'The web server of this page does not answer. Reload it: you may have to log in again.'}));
  document.body.classList.toggle('away', 'error' in answer);
  say(part.alert, 'error' in answer ? answer.error + age : answer.warning);
  say(part.checked, answer.checked ?? '');
  if (answer.rows) {
    age = ` What is shown was read on ${new Date().toLocaleString('en', {dateStyle: 'long', timeStyle: 'short'})}.`;
    say(part.online, number(answer.online));
    document.title = `${number(answer.online)} online · ${part.title.textContent}`;
    list(answer.rows);
    filter();
  }
  // Redis works for this page a tenth of the time at most, or a third when it is slow.
  const pause = Math.min(10 * (performance.now() - begun), 30_000);
  await new Promise(done => setTimeout(done, Math.max(5000, pause)));
}
</script>
