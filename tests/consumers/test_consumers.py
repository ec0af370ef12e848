# SPDX-License-Identifier: Apache-2.0
"""Projects that use an installed libdaytona, built and run: test_consumers.py SOURCE BUILD

BUILD is a build folder; it is installed into a folder of the test's own. Each consumer runs against the daytona-local that
was installed with it.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE, BUILD = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import tap  # noqa: E402


def sh(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="consumers-") as folder:
        place = Path(folder)
        prefix = place / "usr"
        # Unpacked somewhere else than where it was configured for, as a package is while it is made.
        sh("meson", "install", "-C", BUILD, "--destdir", place / "staged", "--no-rebuild")
        configured = next(option["value"] for option in __import__("json").loads(sh("meson", "introspect", BUILD, "--buildoptions"))
                          if option["name"] == "prefix")
        shutil.move(f"{place}/staged{configured}", prefix)
        libdir = next(prefix.rglob("libdaytona.so")).parent
        env = {**os.environ, "PKG_CONFIG_PATH": f"{libdir}/pkgconfig", "CMAKE_PREFIX_PATH": str(prefix), "LD_LIBRARY_PATH": str(libdir),
               "OUT": str(place)}
        pc = libdir / "pkgconfig" / "libdaytona.pc"
        pc.write_text(pc.read_text().replace(f"prefix={configured}", f"prefix={prefix}", 1))
        local = prefix / "bin" / "daytona-local"

        def runs(program, is_static=False):
            linked = sh("ldd", program, env=env)
            assert ("libdaytona" in linked) != is_static, linked
            assert sh(local, "run", "--", program, env=env) == "from the sandbox\n"

        def make():
            sh("make", "-C", HERE / "make", f"OUT={place}", env=env)
            runs(place / "first")

        def make_static():
            runs(place / "first-static", is_static=True)

        def cmake():
            if shutil.which("cmake") is None:
                raise tap.Skip("cmake is not installed")
            sh("cmake", "-S", HERE / "cmake", "-B", place / "cmake", env=env)
            sh("cmake", "--build", place / "cmake", env=env)
            runs(place / "cmake" / "first")
            runs(place / "cmake" / "first-cpp")

        def cmake_static():
            if shutil.which("cmake") is None:
                raise tap.Skip("cmake is not installed")
            runs(place / "cmake" / "first-static", is_static=True)

        def cpp_header(compiler):
            """By pkg-config with the sanitizers, and by CMake; both standards."""
            if shutil.which(compiler) is None:
                raise tap.Skip(f"{compiler} is not installed")
            out = place / f"cpp-{compiler}"
            out.mkdir()
            sh("make", "-C", HERE / "cpp", f"OUT={out}", f"CXX={compiler}", env=env)
            runs(out / "hello-17")
            runs(out / "hello-20")
            if shutil.which("cmake") is not None:
                sh("cmake", "-S", HERE / "cpp", "-B", out / "cmake", f"-DCMAKE_CXX_COMPILER={compiler}", env=env)
                sh("cmake", "--build", out / "cmake", env=env)
                runs(out / "cmake" / "hello-17")
                runs(out / "cmake" / "hello-20")

        def cpp_header_gcc():
            cpp_header("g++")

        def cpp_header_clang():
            cpp_header("clang++")

        def meson_subproject_by_a_wrap():
            shutil.copytree(HERE / "meson", place / "consumer" / "meson", ignore=shutil.ignore_patterns("*.in"))
            shutil.copy(HERE / "first.c", place / "consumer")
            inside = place / "consumer" / "meson" / "subprojects"
            (inside / "packagefiles").mkdir(parents=True)
            # As the release archive has it, so that Meson unpacks it itself; the working tree, so that what is tested is what is there.
            archive = inside / "packagefiles" / "libdaytona-0.tar.gz"
            sh("tar", "-czf", archive, "--exclude=./build*", "--exclude=./.git", "--exclude=node_modules", "--transform=s,^\\.,libdaytona-0,", "-C", SOURCE, ".")
            text = (HERE / "meson" / "libdaytona.wrap.in").read_text()
            (inside / "libdaytona.wrap").write_text(text.replace("@SHA256@", hashlib.sha256(archive.read_bytes()).hexdigest()))
            plain = {**env, "PKG_CONFIG_PATH": ""}
            sh("meson", "setup", place / "subbuild", place / "consumer" / "meson", env=plain)
            assert (inside / "libdaytona-0" / "meson.build").exists(), "the wrap was not used"
            sh("ninja", "-C", place / "subbuild", env=plain)
            assert sh(local, "run", "--", place / "subbuild" / "first", env=env) == "from the sandbox\n"
            assert not list((place / "subbuild").rglob("daytona-local")), "a subproject builds the library only"

        def manual_pages():
            for page, words in (("man1/daytona-local.1", ("--listen", "--state")), ("man7/libdaytona.7", ("daytona_future_message",))):
                text = (prefix / "share" / "man" / page).read_text().replace("\\-", "-")
                assert all(word in text for word in words), page
                if shutil.which("groff"):
                    done = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", "-z", str(prefix / "share" / "man" / page)], capture_output=True, text=True)
                    assert (done.returncode, done.stderr) == (0, ""), done.stderr

        def completion():
            script = prefix / "share" / "bash-completion" / "completions" / "daytona-local"
            ask = (f'. {script}; COMP_WORDS=({local} serve --li); COMP_CWORD=2; _daytona_local; printf "%s\\n" "${{COMPREPLY[@]}}"; '
                   f'COMP_WORDS=({local} im); COMP_CWORD=1; _daytona_local; printf "%s\\n" "${{COMPREPLY[@]}}"')
            assert sh("bash", "-euc", ask).split() == ["--listen", "image"]

        def units():
            for where in ("system", "user"):
                text = (prefix / "lib" / "systemd" / where / "daytona-local.service").read_text()
                assert f"{configured}/bin/daytona-local serve" in text, text
                path = place / f"{where}.service"
                path.write_text(text.replace(configured, str(prefix)))
                if shutil.which("systemd-analyze"):
                    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
                    assert "daytona" not in done.stderr or done.returncode == 0, done.stderr

        tests = [make, make_static, cmake, cmake_static, cpp_header_gcc, cpp_header_clang, meson_subproject_by_a_wrap, manual_pages, completion, units]
        return tap.run_all(tests)


if __name__ == "__main__":
    sys.exit(main())
