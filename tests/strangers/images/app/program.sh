#!/bin/sh
exec python3 /srv/stand_in.py "$@"
