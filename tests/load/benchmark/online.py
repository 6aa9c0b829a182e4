#!/usr/bin/python3
# What a user would write instead of kamonline, in Python. Usage: online.py RPC_URL REDIS_URL
import re, sys
import redis, requests

rpc, url = sys.argv[1:]
pipe = redis.Redis.from_url(url).pipeline(transaction=False)
keys = list(redis.Redis.from_url(url).scan_iter("ONLINE:*", count=1000))
for key in keys:
    pipe.smembers(key)
sets = pipe.execute()

page = requests.get(rpc + "/ul/ul.dump?arg=brief")
page.raise_for_status()
online = set(re.findall(rb"\tAoR: (.*?)<br/>", page.content))
if not online:
    sys.exit("Kamailio reports nobody")

for key, members in zip(keys, sets):
    domain = key.removeprefix(b"ONLINE:")
    stale = [member for member in members if member + b"@" + domain not in online]
    if stale:
        pipe.srem(key, *stale)
pipe.execute()
