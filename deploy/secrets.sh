#!/bin/sh
# Gives every secret in .env that is still empty a random value. What is set stays as it is.
set -eu
cd "$(dirname -- "$0")"
[ -f .env ] || { echo "There is no .env here yet: cp example.env .env" >&2; exit 1; }

random() {
    head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

chmod 600 .env
filled=""
for name in DB_PASSWORD API_AUTH_KEY GRAFANA_PASSWORD; do
    if grep -q "^$name=\$" .env; then
        sed "s/^$name=\$/$name=$(random)/" .env > .env.new && cat .env.new > .env && rm .env.new
        filled="$filled $name"
    fi
done
echo "Filled:${filled:- nothing, all have values}"
