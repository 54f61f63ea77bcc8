#!/bin/sh
# The official contract: options alone mean haproxy, and haproxy runs as a master with workers in the foreground.
set -e

if [ "${1#-}" != "$1" ]; then
    set -- haproxy "$@"
fi
if [ "$1" = "haproxy" ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
