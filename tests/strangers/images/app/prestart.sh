set -e
exec python3 /srv/stand_in.py prestart
