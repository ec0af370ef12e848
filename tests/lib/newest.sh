# SPDX-License-Identifier: Apache-2.0
# Other versions of libuv, libcurl and mbedTLS than the system's, from sources that the caller has. Sourced by tests/run.
#
# NEWEST_UV, NEWEST_CURL and NEWEST_MBEDTLS name folders with unpacked sources that CMake can build; at least one. They
# are installed into build/newest/prefix, and the library is built and tested against that prefix.

PACKAGES_NEWEST='
cmake                 cmake
libssl-dev            openssl/ssl.h
libnghttp2-dev        nghttp2/nghttp2.h
zlib1g-dev            zlib.h
'

# build_newest NAME SOURCE OPTION...: again only when the folder is another one.
build_newest() {
  local name=$1 source=$2 prefix=$PWD/build/newest/prefix work=$PWD/build/newest/$1
  shift 2
  [ -f "$source/CMakeLists.txt" ] || { say "error: no CMakeLists.txt in the $name sources: $source"; return 1; }
  [ "$(cat "$work.stamp" 2>/dev/null)" = "$source" ] && return 0
  rm -rf "$work"
  cmake -G Ninja -S "$source" -B "$work" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_PREFIX_PATH="$prefix" -DBUILD_SHARED_LIBS=ON -DBUILD_TESTING=OFF "$@" >&2 &&
    cmake --build "$work" >&2 && cmake --install "$work" >&2 || return 1
  printf '%s\n' "$source" >"$work.stamp"
}

# prepare_newest: the prefix, and build/newest/tree configured against it.
prepare_newest() {
  local prefix=$PWD/build/newest/prefix
  [ -n "${NEWEST_UV:-}${NEWEST_CURL:-}${NEWEST_MBEDTLS:-}" ] ||
    { say "error: name sources by NEWEST_UV, NEWEST_CURL, NEWEST_MBEDTLS"; return 1; }
  mkdir -p "$prefix" || return 1
  if [ -n "${NEWEST_UV:-}" ]; then build_newest uv "$NEWEST_UV" || return 1; fi
  if [ -n "${NEWEST_MBEDTLS:-}" ]; then
    # Threads are off by default upstream, on in the distributions; see README "Link it". The setting changes the
    # layout of structs, so it must be in the installed headers: a copy of the sources has it.
    local copy=$PWD/build/newest/mbedtls-sources
    if [ "$(cat "$copy.stamp" 2>/dev/null)" != "$NEWEST_MBEDTLS" ]; then
      rm -rf "$copy" "$PWD/build/newest/mbedtls.stamp"
      cp -r "$NEWEST_MBEDTLS" "$copy" || return 1
      find "$copy" -name mbedtls_config.h -o -name crypto_config.h | xargs sed -i \
        's,^//\(#define MBEDTLS_THREADING_\(C\|PTHREAD\)\)$,\1,' || return 1
      printf '%s\n' "$NEWEST_MBEDTLS" >"$copy.stamp"
    fi
    build_newest mbedtls "$copy" -DENABLE_TESTING=OFF -DENABLE_PROGRAMS=OFF -DUSE_SHARED_MBEDTLS_LIBRARY=ON || return 1
  fi
  if [ -n "${NEWEST_CURL:-}" ]; then
    build_newest curl "$NEWEST_CURL" -DCURL_USE_OPENSSL=ON -DUSE_NGHTTP2=ON -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF \
      -DCURL_USE_LIBSSH2=OFF -DBUILD_CURL_EXE=OFF -DCURL_DISABLE_LDAP=ON || return 1
  fi
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
  configure_build build/newest/tree "${OPTIONS_SANITIZE[@]}" "-Dc_args=-I$prefix/include" "-Dc_link_args=-L$prefix/lib" &&
    ninja -C build/newest/tree ${TESTS_JOBS:+-j"$TESTS_JOBS"} >&2
}
