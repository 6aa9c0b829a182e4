#!/bin/bash
# What a user would write instead of kamonline, in the shell. Usage: online.sh RPC_URL REDIS_HOST REDIS_PORT
set -euo pipefail
export LC_ALL=C
redis() { redis-cli -h "$redis_host" -p "$redis_port" "$@"; }
rpc=$1 redis_host=$2 redis_port=$3
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

for key in $(redis --scan --pattern 'ONLINE:*'); do
    redis SMEMBERS "$key" | sed "s/\$/@${key#ONLINE:}/"
done | sort >"$dir/board"

curl -sf "$rpc/ul/ul.dump?arg=brief" | sed 's/<br\/>/\n/g' | sed -n 's/^\t*AoR: //p' | sort >"$dir/online"
[[ -s $dir/online ]] || { echo "Kamailio reports nobody" >&2; exit 1; }

comm -23 "$dir/board" "$dir/online" | sed 's/\(.*\)@\(.*\)/SREM ONLINE:\2 \1/' | redis >/dev/null
