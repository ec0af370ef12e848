# SPDX-License-Identifier: Apache-2.0
# Which Debian packages the project needs, and how to get the ones that are missing. Sourced by
# tests/run and examples/demo; the one list for both.
#
# A row is PACKAGE and a PROBE. The probe asks for the thing and not for the package, so that a
# machine which has it from elsewhere (Node from another archive, a compiler from a toolchain) is
# left alone: a word is a command, a name ending in .h a header, py:NAME a Python module, an
# absolute path a file; it may have a * in it.

PACKAGES_BUILD='
ca-certificates       /etc/ssl/certs/ca-certificates.crt
gcc                   cc
libc6-dev             stdio.h
binutils              strip
dpkg-dev              dpkg-architecture
meson                 meson
ninja-build           ninja
pkgconf               pkg-config
libuv1-dev            uv.h
libcurl4-openssl-dev  curl/curl.h
libwslay-dev          wslay/wslay.h
libmbedtls-dev        mbedtls/ssl.h
libjansson-dev        jansson.h
libgnutls28-dev       gnutls/gnutls.h
libarchive-dev        archive.h
libcmocka-dev         cmocka.h
'

# What daytona-local runs: the isolation, and the languages and tools inside a sandbox.
PACKAGES_SERVER='
bubblewrap            bwrap
slirp4netns           slirp4netns
python3               python3
python3-pip           py:pip
python3-venv          py:ensurepip
nodejs                node
node-typescript       tsc
git                   git
procps                ps
'

# What enforces the network lists of sandboxes. Without it they are refused.
PACKAGES_NETWORK='
nftables              /usr/sbin/nft
'

# What images need, and the registry and base images of their tests.
PACKAGES_IMAGES='
buildah               buildah
crun                  crun
netavark              /usr/lib/podman/netavark
uidmap                newuidmap
docker-registry       docker-registry
busybox-static        busybox
mmdebstrap            mmdebstrap
'

# What runs the container image of daytona-local; netavark of Debian 12 wants iptables.
PACKAGES_CONTAINERS='
podman                podman
iptables              /usr/sbin/iptables
iproute2              ip
util-linux            nsenter
'

# The SSH gateway, clients of it, and a server of sftp of a sandbox's own.
PACKAGES_SSH='
libssh-dev            libssh/libssh.h
openssh-client        ssh
openssh-sftp-server   /usr/lib/openssh/sftp-server
'

PACKAGES_TESTS='
g++                   c++
clang-format          clang-format
openssl               openssl
curl                  curl
busybox-static        /bin/busybox
locales               /usr/share/i18n/locales/de_DE
nghttp2-server        /usr/sbin/nghttpd
uidmap                newuidmap
'

# How others build with the library, and what checks its manual pages.
PACKAGES_CONSUMERS='
cmake                 cmake
make                  make
clang                 clang++
libclang-rt-dev       /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a
groff                 groff
'

# What compares the library's binary interface.
PACKAGES_ABI='
abigail-tools         abidw
'

# The HTML site; its Python tools are installed by docs/site/build.
PACKAGES_SITE='
doxygen               doxygen
graphviz              dot
python3-venv          py:ensurepip
'

# What bindings/lua runs on.
PACKAGES_LUA='
luajit                luajit
'

# What examples/node is built with and runs on.
PACKAGES_NODE='
nodejs                node
libnode-dev           node/node_api.h
'

PACKAGES_INTEROP='
npm                   npm
'

# Language servers inside a sandbox; the one of TypeScript comes from npm, see tests/interop/install.
PACKAGES_LSP='
python3-pylsp         pylsp
nodejs                node
npm                   npm
'

# Desktops inside a sandbox: what daytona-local-desktop is built with, the programs of a desktop, and what tests do on it.
PACKAGES_DESKTOP='
libxcb1-dev           xcb/xcb.h
libxcb-xtest0-dev     xcb/xtest.h
libxcb-randr0-dev     xcb/randr.h
libxcb-shm0-dev       xcb/shm.h
libxcb-xfixes0-dev    xcb/xfixes.h
libpng-dev            png.h
libjpeg-dev           jpeglib.h
libwebp-dev           webp/encode.h
xvfb                  Xvfb
icewm                 icewm
openbox               openbox
tint2                 tint2
x11vnc                x11vnc
novnc                 /usr/share/novnc/vnc.html
websockify            websockify
ffmpeg                ffmpeg
xterm                 xterm
chromium              chromium
'

# Accessibility of desktops: its part of daytona-local-desktop, the services, and a program that shows something.
PACKAGES_A11Y='
libdbus-1-dev         /usr/include/dbus-1.0/dbus/dbus.h
libpcre2-dev          pcre2.h
dbus                  dbus-daemon
at-spi2-core          /usr/libexec/at-spi-bus-launcher
python3-gi            /usr/lib/python3/dist-packages/gi/__init__.py
gir1.2-gtk-3.0        /usr/lib/*/girepository-1.0/Gtk-3.0.typelib
'

# Programs of other toolkits, as accessibility meets them.
PACKAGES_TOOLKITS='
python3-pyqt5         /usr/lib/python3/dist-packages/PyQt5/__init__.py
gir1.2-gtk-4.0        /usr/lib/*/girepository-1.0/Gtk-4.0.typelib
'

# How the two build directories are set up; examples/demo and the benchmarks share the second.
OPTIONS_SANITIZE=(-Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
  -Dtests=enabled -Dlocal_server=enabled)
OPTIONS_RELEASE=(-Dbuildtype=release -Dtests=enabled -Dlocal_server=enabled)

say() { printf '%s\n' "$*" >&2; }

have_probe() {
  local probe=$1 dir
  case $probe in
    py:*) python3 -c "import ${probe#py:}" >/dev/null 2>&1 ;;
    /*) compgen -G "$probe" >/dev/null ;;
    *.h)
      for dir in /usr/include /usr/include/*-linux-gnu* /usr/local/include; do
        [ -e "$dir/$probe" ] && return 0
      done
      return 1 ;;
    *) command -v "$probe" >/dev/null 2>&1 ;;
  esac
}

# missing_packages LIST...: the packages of the lists whose probe finds nothing.
missing_packages() {
  local package probe
  printf '%s\n' "$@" | while read -r package probe; do
    [ -n "$package" ] || continue
    have_probe "$probe" || printf '%s ' "$package"
  done
}

# as_root COMMAND...: with sudo where we are not root ourselves.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo -- "$@"
  else
    say "error: '$*' needs root, and there is no sudo"
    return 1
  fi
}

# ensure_packages LIST...: installs what is missing with apt-get; nothing is run when nothing is.
ensure_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    say "error: missing: $missing"
    say "error: there is no apt-get here; install what corresponds to these Debian packages"
    return 1
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    say "error: packages are missing, and there is no sudo. As root: apt-get update && apt-get install --no-install-recommends ${missing% }"
    return 1
  fi
  say "installing: $missing"
  as_root apt-get -q update >&2 || { say "error: apt-get update failed"; return 1; }
  # shellcheck disable=SC2086  # one word per package is meant
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing >&2 ||
    { say "error: apt-get could not install: $missing"; return 1; }
  hash -r
  missing=$(missing_packages "$@")
  [ -z "$missing" ] || { say "error: still missing after installation: $missing"; return 1; }
}

# configure_build DIR OPTION...: sets the build directory up once, and again when the options differ.
configure_build() {
  local dir=$1 stamp
  shift
  stamp="$*"
  if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  rm -rf "$dir"
  mkdir -p "$dir" || return 1
  meson setup "$dir" "$@" >&2 || return 1
  printf '%s\n' "$stamp" >"$dir/.options"
}
