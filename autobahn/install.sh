#!/bin/sh
# usage: install.sh PYTHON
# Installs Autobahn's fuzzing client, as `wstest`, and what the servers beside ours need into autobahn/.installed.
set -eu
cd "$(dirname "$0")"

python2=
for candidate in ${PYTHON2:-python2.7 "$(pyenv prefix 2.7.18 2>/dev/null || true)/bin/python2.7"}; do
  if "$candidate" -c 'import sys, ssl, pip; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
    python2=$(command -v "$candidate")
    break
  fi
done
if [ -z "$python2" ]; then
  echo "Autobahn's fuzzing client runs on Python 2.7 only. There is none that has ssl and pip${PYTHON2:+ at $PYTHON2}." >&2
  echo "To bring it: pyenv install 2.7.18, or: make autobahn PYTHON2=/where/there/is/one/python2.7" >&2
  exit 1
fi

if [ ! .installed/wstest -nt requirements-client.txt ]; then
  rm -rf .installed/client .installed/wstest
  PYTHONWARNINGS=ignore "$python2" -m pip install --quiet --no-deps --target .installed/client \
    --requirement requirements-client.txt
  touch .installed/client/zope/__init__.py # a namespace package, which Python 2.7 finds by .pth files elsewhere only
  cat >.installed/wstest <<END
#!/bin/sh
PYTHONPATH='$PWD/.installed/client' exec '$python2' -c 'from autobahntestsuite.wstest import run; run()' "\$@"
END
  chmod +x .installed/wstest
fi

if [ ! .installed/servers -nt requirements.txt ]; then
  rm -rf .installed/servers
  "$1" -m pip install --quiet --target .installed/servers --requirement requirements.txt
  touch .installed/servers
fi
