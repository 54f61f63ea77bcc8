#!/bin/sh
PGPASSWORD="$POSTGRES_PASSWORD" exec psql --host "$(hostname -i)" --username "$POSTGRES_USER" --quiet --command 'select 1'
