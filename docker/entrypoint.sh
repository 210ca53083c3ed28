#!/bin/sh
# A command of tiny-imagenet, or a file for Python such as recipes/transfer_v3.py; runs go to the volume.
set -e
mkdir -p /data/runs
case "${1:-}" in
  *.py) script="/workspace/$1"; shift; cd /data; exec python "$script" "$@" ;;
  *) cd /data; exec tiny-imagenet "$@" ;;
esac
