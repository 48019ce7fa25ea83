#!/bin/sh
# Installs molmix from /opt/molmix into the Python of an image: containers/Dockerfile and containers/molmix.def.
# Usage: install.sh cpu|cuda
set -eu
case "$1" in
  cpu) PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu; export PIP_EXTRA_INDEX_URL ;;
  cuda) ;; # the torch of PyPI brings its CUDA libraries; the driver is the host's
  *) echo "install.sh: there is no device '$1'. Hint: cpu or cuda" >&2; exit 1 ;;
esac
apt-get update -qq
apt-get install -qq -y --no-install-recommends git wordnet-base
rm -rf /var/lib/apt/lists/*
cd /opt/molmix
pip install --quiet --no-cache-dir --requirement requirements.lock
pip install --quiet --no-cache-dir --no-deps --editable .
# Any user may run it, and caches go to their own folder.
chmod -R a+rX /opt/molmix
mkdir -p -m 1777 /home/molmix
