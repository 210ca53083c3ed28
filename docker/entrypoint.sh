#!/bin/sh
# A command of tiny-imagenet, a file of this project for Python such as recipes/transfer_v3.py, or one of yours, such
# as /data/mine.py; runs go to the volume.
set -e
mkdir -p /data/runs
case "${1:-}" in
  /*.py) cd /data; exec python "$@" ;;
  *.py) script="/workspace/$1"; shift; cd /data; exec python "$script" "$@" ;;
  *) cd /data; exec tiny-imagenet "$@" ;;
esac
