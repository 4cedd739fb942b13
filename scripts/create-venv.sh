#!/bin/sh
# usage: create-venv.sh PYTHON FOLDER
# Makes a virtual environment; brings Debian's python3-venv where that is missing, when root.
set -eu
if ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Sheetbend needs Python 3.11 or newer; $1 is $("$1" --version)." >&2
  exit 1
fi
if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  else
    echo "Python's venv module is missing. To bring it: sudo apt-get install -y python3-venv" >&2
    exit 1
  fi
fi
[ -x "$2/bin/python" ] || "$1" -m venv "$2"
