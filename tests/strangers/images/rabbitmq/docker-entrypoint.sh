#!/bin/sh
# The official contract in short: begin as root, give the data to rabbitmq, and become it.
set -e
case "$1" in
    rabbitmq*) ;;
    *) exec "$@" ;;
esac
if [ "$(id -u)" = 0 ]; then
    if [ "$1" = rabbitmq-server ]; then
        find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    fi
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$0" "$@"
fi
exec "$@"
