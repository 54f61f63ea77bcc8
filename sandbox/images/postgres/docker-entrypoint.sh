#!/bin/bash
# The official contract in short: initialise an empty data directory as the variables say, run what lies in
# /docker-entrypoint-initdb.d once, then become the server.
set -euo pipefail

if [ "${1#-}" != "$1" ]; then
    set -- postgres "$@"
fi
if [ "$1" != "postgres" ]; then
    exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

initialise() {
    local user="${POSTGRES_USER:-postgres}"
    local database="${POSTGRES_DB:-$user}"
    local method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD="$(< "$POSTGRES_PASSWORD_FILE")"
    fi
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "postgres: POSTGRES_PASSWORD must not be empty when the data directory is new" >&2
        exit 1
    fi
    initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-unused}") \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-sync > /dev/null
    echo "host all all all $method" >> "$PGDATA/pg_hba.conf"

    # Reachable by socket only until it is complete: a client never meets a half-made database.
    pg_ctl --wait --silent --options="-c listen_addresses=''" start
    if [ "$database" != postgres ]; then
        psql --no-psqlrc --quiet --username="$user" --dbname=postgres --set=name="$database" \
            <<< 'CREATE DATABASE :"name";'
    fi
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) bash -e "$file" ;;
            *.sql) psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
        esac
    done
    pg_ctl --wait --silent --mode=fast stop > /dev/null
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initialise
fi
shift
exec postgres -c listen_addresses='*' "$@"
