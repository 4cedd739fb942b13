#!/bin/sh
# usage: install-package.sh COMMAND PACKAGE
# Installs a Debian package that brings COMMAND, when root; else says how, and lets the tests that need it skip.
set -eu
command -v "$1" >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
else
  echo "$1 is missing: what needs it will be skipped. To bring it: sudo apt-get install -y $2" >&2
fi
