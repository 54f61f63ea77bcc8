#!/bin/bash
# The official contract in short: begin as root, give data and socket directory to mysql, become it, initialise an empty data
# directory as the variables say, then become the server.
set -euo pipefail

if [ "$1" != mariadbd ]; then
    exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
    find /var/lib/mysql /run/mysqld \! -user mysql -exec chown mysql:mysql '{}' +
    exec setpriv --reuid=mysql --regid=mysql --clear-groups "$0" "$@"
fi
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db > /dev/null
    mariadbd --skip-networking --datadir=/var/lib/mysql &
    until mariadb-admin --silent ping; do sleep 0.2; done
    mariadb --user=root << SQL
ALTER USER root@localhost IDENTIFIED BY '${MARIADB_ROOT_PASSWORD:?}';
CREATE DATABASE IF NOT EXISTS \`${MARIADB_DATABASE:?}\`;
SQL
    MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb-admin --user=root shutdown
    wait
fi
exec "$@" --datadir=/var/lib/mysql
