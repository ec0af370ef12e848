# SPDX-License-Identifier: Apache-2.0
"""The image engine (src/images) with buildah, a registry on loopback and images of busybox."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
import harness  # noqa: E402
from engine_driver import (PATH, Done, Engine, Image, Registry, busybox_root, debian_root, lacking, layer_of, tar_of)  # noqa: E402

NEEDED = ("buildah", "crun", "busybox")


def has_group(engine):
    """Whether the engine has a control group of its own: its name has the process id, or that and a multiple of 2^22."""
    wanted = engine.process.pid % (1 << 22)
    for at in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
        for folder, names, _ in os.walk(at):
            for name in names:
                number = name.removeprefix("daytona-local-")
                if number.isdigit() and int(number) % (1 << 22) == wanted and os.path.isdir(os.path.join(folder, name, "images")):
                    return True
    return False


class Place(unittest.TestCase):
    """A folder, a base image and an engine; the last only where `opens`. As the user that runs the tests."""

    user = None
    options = ()

    @classmethod
    def setUpClass(cls):
        missing = lacking(*NEEDED)
        if missing:
            raise unittest.SkipTest("%s is not installed" % missing)
        cls.place = tempfile.mkdtemp(prefix="dl-images-", dir="/var/tmp")
        os.chmod(cls.place, 0o755)
        cls.root = busybox_root(os.path.join(cls.place, "busybox"))
        cls.layer = layer_of(cls.root)
        cls.base = Image(cls.layer, Cmd=["/bin/sh"])
        cls.archive = cls.base.docker_archive(os.path.join(cls.place, "base.tar"), "base:1")
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        # Ids of an ordinary user's namespace are nobody else's to remove, except for root.
        subprocess.run(["rm", "-rf", cls.place], check=False)

    def open(self, *options, state=None, env=None):
        if state is None:
            type(self).count += 1
            state = os.path.join(self.place, "%d" % self.count, "state")
            os.makedirs(state)
            if self.user is not None:
                os.chown(state, self.user, self.user)
        engine = Engine(state, *self.options, *options, env=env, user=self.user, program=self.program())
        if engine.missing:
            engine.close()  # it has ended with that
            self.skipTest(engine.missing)
        self.addCleanup(self.close, engine)
        return engine

    def program(self):
        return None

    def close(self, engine):
        if engine.process.returncode is None:
            self.assertEqual(engine.close(), 0)

    def import_base(self, engine):
        done = engine.run("import", "base:1", self.archive)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        return done

    def built(self, engine, dockerfile, name="-", *contexts):
        done = engine.wait(engine.build(dockerfile, name, *contexts))
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        return done

    def file(self, name, content):
        """Only for the user of the engine, as the server's files are."""
        path = os.path.join(self.place, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o600)
        if self.user is not None:
            os.chown(path, self.user, self.user)
        return path

    def assert_clean(self, engine):
        """Nothing of a build is left: working containers, folders, processes, mounts."""
        images = os.path.join(engine.state, "images")
        containers = os.path.join(images, "store", "overlay-containers", "containers.json")

        def is_clean():
            empty = True
            if os.path.exists(containers):
                with open(containers, encoding="utf-8") as file:
                    empty = not json.load(file)
            return empty and not os.listdir(os.path.join(images, "work"))

        if os.geteuid() == 0:
            harness.until(is_clean, 30)
        harness.until(lambda: not [line for _, line in harness.processes() if engine.state + "/images" in line and "image-jail" in line], 30)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertNotIn(engine.state, file.read())


class Imports(Place):
    def check_base(self, engine, image):
        self.assertEqual(image["names"], ["docker.io/library/base:1"])
        self.assertTrue(image["isImported"])
        self.assertEqual(image["cmd"], ["/bin/sh"])
        self.assertEqual(image["env"], [PATH])
        self.assertGreater(image["size"], 100000)
        for name in ("base:1", "docker.io/library/base:1", "library/base:1", image["id"], image["id"][:12],
                     "base@" + image["digest"]):
            self.assertEqual((engine.show(name) or {}).get("id"), image["id"], name)

    def test_docker_archive(self):
        engine = self.open()
        done = self.import_base(engine)
        self.check_base(engine, done.image)
        self.assertEqual(done.image["id"], self.base.id)

    def test_docker_archive_that_is_compressed(self):
        engine = self.open()
        subprocess.run(["gzip", "-k", "-f", self.archive], check=True)
        done = engine.run("import", "base:1", self.archive + ".gz")
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.check_base(engine, done.image)

    def test_oci_archive(self):
        engine = self.open()
        done = engine.run("import", "base:1", self.base.oci_archive(os.path.join(self.place, "oci.tar")))
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.check_base(engine, done.image)

    def test_oci_folder(self):
        engine = self.open()
        done = engine.run("import", "base:1", self.base.oci_folder(os.path.join(self.place, "oci")))
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.check_base(engine, done.image)

    def test_root_folder_keeps_owners_and_modes(self):
        engine = self.open()
        root = busybox_root(os.path.join(self.place, "root-%s" % self.user))
        os.mkdir(root + "/odd")
        with open(root + "/odd/run", "w", encoding="utf-8") as file:
            file.write("x")
        os.chmod(root + "/odd/run", 0o4750)
        if os.geteuid() == 0 and self.user is None:
            os.chown(root + "/odd/run", 1234, 4321)
        elif self.user is not None:
            subprocess.run(["chown", "-R", "%d:%d" % (self.user, self.user), root], check=True)
        os.chmod(root + "/odd/run", 0o4750)
        done = engine.run("import", "rooted:1", root)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        done = self.built(engine, "FROM rooted:1\nRUN stat -c '%u %g %a' /odd/run /bin\n")
        owner = "1234 4321" if os.geteuid() == 0 and self.user is None else "0 0"
        self.assertIn(owner + " 4750\n0 0 755\n", done.log)

    def test_root_as_a_tar_file(self):
        engine = self.open()
        path = os.path.join(self.place, "root.tar.gz")
        subprocess.run(["tar", "-C", self.root, "--owner=0", "--group=0", "-czf", path, "."], check=True)
        done = engine.run("import", "rooted:1", path)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.built(engine, "FROM rooted:1\nRUN test \"$(stat -c '%u %g' /bin/busybox)\" = '0 0'\n")

    def test_what_is_no_image(self):
        engine = self.open()
        for path, code in ((self.file("text", b"no archive"), "INVALID"), (self.file("other.tar", tar_of({"a": b"b"})), "INVALID"),
                           (self.place + "/absent", "INVALID"), ("/dev/null", "INVALID")):
            done = engine.run("import", "x:1", path)
            self.assertEqual(done.code, code, (path, done.error))
        for name in ("", "UPPER:1", "a b", "x:1@sha256:" + "0" * 64, "../x", "-x", "x" * 600):
            self.assertEqual(engine.run("import", name or " ", self.archive).code, "INVALID", name)
        self.assertEqual(engine.list()["list"], [])

    def test_a_second_import_takes_the_name_over(self):
        engine = self.open()
        first = self.import_base(engine).image
        other = Image(self.layer, Cmd=["/bin/ls"])
        second = engine.run("import", "base:1", other.docker_archive(os.path.join(self.place, "o.tar"), "base:1")).image
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(engine.show("base:1")["id"], second["id"])
        self.assertEqual(engine.show(first["id"])["names"], [])

    def test_it_is_there_after_a_restart(self):
        engine = self.open()
        image = self.import_base(engine).image
        engine.close()
        again = self.open(state=engine.state)
        self.assertEqual(again.show("base:1"), image)


class Builds(Place):
    def setUp(self):
        self.engine = self.open()
        self.import_base(self.engine)

    def test_from_imported_image_asks_no_registry(self):
        done = self.built(self.engine, "FROM base:1\nRUN echo one > /made\n", "daytona-x:daytona")
        self.assertEqual(done.image["names"], ["localhost/daytona-x:daytona"])
        self.assertEqual(self.engine.show("daytona-x:daytona")["id"], done.image["id"])
        self.assertNotIn("Trying to pull", done.log)
        self.assertEqual(len(done.layers), 2)
        if os.geteuid() == 0:
            with open(done.layers[0] + "/made", encoding="utf-8") as file:
                self.assertEqual(file.read(), "one\n")

    def test_configuration(self):
        image = self.built(self.engine, 'FROM base:1\nENV A=b C="d e"\nUSER app:app\nWORKDIR /srv/x\nENTRYPOINT ["/bin/sh", "-c"]\n'
                                        'CMD ["echo hi"]\n').image
        self.assertEqual(image["env"], [PATH, "A=b", "C=d e"])
        self.assertEqual((image["user"], image["workDir"]), ("app:app", "/srv/x"))
        self.assertEqual((image["entrypoint"], image["cmd"]), (["/bin/sh", "-c"], ["echo hi"]))

    def test_cache(self):
        text = "FROM base:1\nRUN head -c 16 /dev/urandom > /random\nENV N=%d\n"
        first = self.built(self.engine, text % 1)
        second = self.built(self.engine, text % 2)
        self.assertIn("Using cache", second.log)
        self.assertEqual(first.layers[-2:], second.layers[-2:])
        self.assertNotEqual(first.image["id"], second.image["id"])

    def test_several_stages_and_arguments(self):
        done = self.built(self.engine, "ARG OF=base\nFROM ${OF}:1 AS maker\nARG WORD=hello\nRUN echo $WORD > /word\n"
                                       "FROM base:1\nCOPY --from=maker /word /copied\nRUN cat /copied\n")
        self.assertIn("\nhello\n", done.log)

    def context(self, name, entries):
        return self.file(name + ".tar", tar_of(entries))

    def test_contexts(self):
        link = tarfile.TarInfo("work/link")
        link.type, link.linkname = tarfile.SYMTYPE, "a.txt"
        many = [self.context("many%d" % i, {"many/%d" % i: b"x"}) for i in range(150)]
        one = self.context("one", {"work/a.txt": b"first\n", "work/sub/b.txt": b"second\n", "work/link": link})
        two = self.context("two", {"other.txt": b"third\n", ".dockerignore": b"**/b.txt\n"})
        done = self.built(self.engine, 'FROM base:1\nCOPY ["work", "/in/"]\nCOPY other.txt /in/\n'
                                       "RUN cat /in/link /in/other.txt; stat -c '%u %g' /in/a.txt; test ! -e /in/sub/b.txt\nCOPY many /many\n"
                                       "RUN test $(ls /many | grep -c .) = 150\n", "-", one, two, *many)
        self.assertIn("\nfirst\nthird\n0 0\n", done.log)

    def test_context_that_leads_out(self):
        link = tarfile.TarInfo("way")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
        for entries in ({"../x": b"x"}, {"/etc/x": b"x"}, {"a/../../x": b"x"}):
            done = self.engine.wait(self.engine.build("FROM base:1\n", "-", self.context("bad", entries)))
            self.assertEqual(done.code, "INVALID", (list(entries), done.error))
        # A folder takes the place of a link that something would be written through.
        self.built(self.engine, "FROM base:1\nCOPY . /c/\nRUN test -d /c/way; cat /c/way/passwd\n", "-",
                   self.context("through", {"way": link, "way/passwd": b"owned"}))
        # What a link in a context leads to is looked for in the context.
        done = self.engine.wait(self.engine.build("FROM base:1\nCOPY way/passwd /x\n", "-", self.context("links", {"way": link})))
        self.assertNotEqual(done.code, "OK", done.log)
        self.built(self.engine, "FROM base:1\nCOPY . /c/\nRUN test ! -e /c/hard\n", "-", self.context("hard", {"hard": hard, "a": b""}))
        device = tarfile.TarInfo("disk")
        device.type, device.devmajor, device.devminor = tarfile.BLKTYPE, 8, 0
        self.built(self.engine, "FROM base:1\nCOPY . /c/\nRUN test ! -e /c/disk\n", "-", self.context("device", {"disk": device, "a": b""}))
        cut = self.file("cut.tar", tar_of({"a": b"x" * 100000})[:50000])
        self.assertEqual(self.engine.wait(self.engine.build("FROM base:1\n", "-", cut)).code, "INVALID")

    def test_failing_step(self):
        done = self.engine.wait(self.engine.build("FROM base:1\nRUN echo before\nRUN echo why >&2; exit 3\nRUN echo never\n"))
        self.assertEqual(done.code, "STEP_FAILED")
        self.assertIn("exit status 3", done.error)
        self.assertIn("echo why", done.error)
        self.assertIn("before\n", done.log)
        self.assertIn("why\n", done.log)
        self.assertNotIn("never\n", done.log.split("STEP 3/4")[1])
        self.assertIsNone(done.image)
        self.assert_clean(self.engine)

    def test_dockerfiles_that_cannot_be_used(self):
        for text in ("", "FROM base:1\nFLY away\n", "RUN echo\n", "FROM base:1\nCOPY absent /x\n", "FROM base:1\nRUN <<EOF\n" + "x" * 2000000):
            done = self.engine.wait(self.engine.build(text))
            self.assertNotIn(done.code, ("OK", "UNAVAILABLE", "STEP_FAILED"), text[:50])
            self.assertTrue(done.error and "\n" not in done.error, done.error)

    def test_a_step_sees_nothing_of_the_host(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with open(self.place + "/secret", "w", encoding="utf-8") as file:
            file.write("the secret")
        steps = ["id -u", "ps | grep -v '\\[' | tail -n +2", "test ! -e %s" % self.place, "test ! -e /job", "test ! -e /store",
                 "ls /dev", "test ! -e /dev/vda; test ! -e /dev/sda; test ! -e /dev/kvm", "cat /proc/1/environ; env",
                 "! nc -w 2 10.0.2.2 %d </dev/null" % port, "! nc -w 2 127.0.0.1 %d </dev/null" % port,
                 "! mount -t tmpfs x /tmp", "! ls /proc/1/root/usr/bin/buildah", "cat /proc/self/uid_map"]
        done = self.built(self.engine, "FROM base:1\n" + "".join("RUN %s\n" % step for step in steps))
        self.assertNotIn("DAYTONA", done.log)
        self.assertNotIn(str(os.getpid()) + " ", done.log)
        maps = re.findall(r"^ +0 +(\d+) +1$", done.log, re.M)
        self.assertTrue(maps and maps[0] != "0", done.log)
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)
        listener.close()

    def test_mounts_of_a_step_are_of_the_build(self):
        """buildah 1.28 follows `..` and links in their sources to whatever is in the jail."""
        link, under = tarfile.TarInfo("work/link"), tarfile.TarInfo("work/top")
        link.type, link.linkname = under.type, under.linkname = tarfile.SYMTYPE, "/store"
        under.linkname = "/"
        context = self.context("mounts", {"work/a.txt": b"of the context\n", "work/link": link, "work/top": under})
        stage = "FROM base:1 AS maker\nRUN ln -s %s /way\nFROM base:1\n"
        for before, mount in (("FROM base:1\n", "type=cache,id=../../../../../store"), ("FROM base:1\n", "type=cache,id=../../../../../"),
                              ("FROM base:1\n", "type=cache,id=../../run"), ("FROM base:1\n", "type=cache,id=../"),
                              ("FROM base:1\n", "type=bind,source=work/link"), ("FROM base:1\n", "type=bind,source=work/top/run,rw"),
                              ("FROM base:1\n", "type=bind,source=work/top/usr"), ("FROM base:1\n", "type=bind,source=work/top/proc"),
                              ("FROM base:1\n", "type=bind,source=work/top/store/overlay-images,rw"),
                              (stage % "/store", "type=bind,from=maker,source=/way,rw"), (stage % "/etc", "type=bind,from=maker,source=/way/containers"),
                              (stage % "/job", "type=bind,from=maker,source=/way,rw")):
            step = "RUN --mount=%s,target=/m find /m | head -n 20; echo it was let in\n" % mount
            done = self.engine.wait(self.engine.build(before + step, "-", context))
            # Newer ones look for it in the right place, where there is nothing or an empty folder.
            if done.code == "OK":
                self.assertNotRegex(done.log, "\n/m/.", mount)
            else:
                self.assertNotIn("\nit was let in", done.log, mount)
                if "refused" in done.log:
                    self.assertIn("/m is not of this build", done.error)
        done = self.built(self.engine, "FROM base:1 AS maker\nRUN mkdir /made && echo of the stage > /made/b.txt\nFROM base:1\nVOLUME /kept\n"
                          "RUN --mount=type=bind,source=work,target=/m cat /m/a.txt\n"
                          "RUN --mount=type=bind,from=maker,source=/made,target=/m cat /m/b.txt\n"
                          "RUN --mount=type=bind,from=base:1,target=/m ls /m/bin/busybox\n"
                          "RUN --mount=type=cache,target=/m echo of the cache > /m/c.txt && cat /m/c.txt\n"
                          "RUN --mount=type=cache,id=one,target=/m echo named > /m/d.txt && cat /m/d.txt\n"
                          "RUN --mount=type=tmpfs,target=/m echo in memory > /m/e.txt && cat /m/e.txt\n", "-", context)
        for line in ("of the context", "of the stage", "/m/bin/busybox", "of the cache", "named", "in memory"):
            self.assertIn("\n%s\n" % line, done.log)

    def test_a_step_that_forks_without_end_fails(self):
        done = self.engine.wait(self.engine.build("FROM base:1\nRUN i=0; while [ $i -lt 5000 ]; do sleep 100 & i=$((i+1)); done; echo it made them all\n"))
        self.assertEqual(done.code, "STEP_FAILED", done.log)
        self.assertNotIn("\nit made them all", done.log)
        self.assert_clean(self.engine)
        self.built(self.engine, "FROM base:1\nRUN echo next\n")

    def test_a_build_reaches_no_service_of_this_machine(self):
        """Not through what buildah does for a Dockerfile, either: it fetches URLs and asks registries."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        for text in ("FROM base:1\nADD http://%s/x /x\n", "FROM %s/x:1\n", "FROM base:1\nCOPY --from=%s/x:1 /x /x\n",
                     "FROM base:1\nRUN --network=host wget -q -O - http://%s/x\n"):
            done = self.engine.wait(self.engine.build(text % address))
            self.assertNotEqual(done.code, "OK", done.log)
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)
        listener.close()

    def test_network_none(self):
        engine = self.open("--network", "none", state=None)
        self.import_base(engine)
        done = self.built(engine, "FROM base:1\nRUN cat /proc/net/dev\n")
        self.assertIn("lo:", done.log)
        self.assertNotIn("tap0", done.log)

    def test_deletions_are_ones_for_overlay(self):
        done = self.built(self.engine, "FROM base:1\nRUN rm /etc/group && rm -r /root && mkdir /root && echo > /root/new\n")
        if os.geteuid() != 0:
            return
        self.assertEqual(os.lstat(done.layers[0] + "/etc/group").st_rdev, 0)
        self.assertIn(os.getxattr(done.layers[0] + "/root", "user.overlay.opaque"), (b"y",))


class Cancels(Place):
    SLOW = "FROM base:1\nRUN echo begun; echo x > /half; sleep 1000\n"

    def begin(self, engine):
        self.import_base(engine)
        job = engine.build(self.SLOW, "daytona-slow:daytona")
        engine.wait_log(job, "begun\n")
        return job

    def test_cancel_in_a_step(self):
        engine = self.open()
        job = self.begin(engine)
        began = time.monotonic()
        engine.say("cancel", job)
        done = engine.wait(job)
        self.assertEqual(done.code, "CANCELLED")
        self.assertLess(time.monotonic() - began, 10)
        self.assert_clean(engine)
        self.assertFalse([line for _, line in harness.processes() if line == "sleep 1000"])
        self.assertIsNone(engine.show("daytona-slow:daytona"))
        self.built(engine, "FROM base:1\nRUN test ! -e /half\n")

    def test_cancel_at_every_moment(self):
        engine = self.open()
        self.import_base(engine)
        for delay in (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
            job = engine.build("FROM base:1\nRUN echo %s > /x\nRUN echo 2 > /y\n" % delay, "daytona-%s:daytona" % str(delay).replace(".", "-"))
            time.sleep(delay)
            engine.say("cancel", job)
            self.assertIn(engine.wait(job).code, ("CANCELLED", "OK"))
        self.built(engine, "FROM base:1\nRUN echo after\n")
        self.assert_clean(engine)

    def test_cancel_of_one_that_waits(self):
        engine = self.open("--at-once", "1")
        first = self.begin(engine)
        second = engine.build("FROM base:1\n")
        engine.wait_log(second, "Waiting for 1 other build or pull to end.\n")
        engine.say("cancel", second)
        self.assertEqual(engine.wait(second).code, "CANCELLED")
        engine.say("cancel", first)
        self.assertEqual(engine.wait(first).code, "CANCELLED")

    def test_close_in_a_step(self):
        engine = self.open()
        self.begin(engine)
        began = time.monotonic()
        self.assertEqual(engine.close(), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse([line for _, line in harness.processes() if line == "sleep 1000"])

    def test_killed_in_a_step(self):
        engine = self.open()
        self.begin(engine)
        engine.kill()
        harness.until(lambda: not [line for _, line in harness.processes() if line == "sleep 1000"], 10)
        again = self.open(state=engine.state)
        self.assertIsNone(again.show("daytona-slow:daytona"))
        self.assertEqual([i["names"] for i in again.list()["list"]], [["docker.io/library/base:1"]])
        self.built(again, "FROM base:1\nRUN test ! -e /half\n")
        self.assert_clean(again)

    def test_what_was_killed_before_it_had_a_record_is_removed(self):
        if os.geteuid() != 0:
            self.skipTest("files of the store are for root")
        engine = self.open()
        self.begin(engine)
        engine.kill()
        harness.until(lambda: not [line for _, line in harness.processes() if line == "sleep 1000"], 10)
        folder = os.path.join(engine.state, "images", "store", "overlay-containers")
        records = [os.path.join(folder, name, "userdata", "buildah.json") for name in os.listdir(folder)]
        records = [path for path in records if os.path.exists(path)]
        self.assertTrue(records)
        for path in records:
            os.unlink(path)
        self.assert_clean(self.open(state=engine.state))

    def test_killed_at_any_moment(self):
        engine = self.open()
        self.import_base(engine)
        state, found = engine.state, []
        for round_, delay in enumerate((0.02, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)):
            engine.build("FROM base:1\nRUN dd if=/dev/zero of=/big bs=1M count=20; echo %d > /n\nRUN echo %d > /end\n" % (round_, round_),
                         "daytona-%d:daytona" % round_)
            time.sleep(delay)
            engine.kill()
            engine = self.open(state=state)
            image = engine.show("daytona-%d:daytona" % round_)
            found.append(image is not None)
            if image:  # whole, then
                done = self.built(engine, "FROM localhost/daytona-%d:daytona\nRUN cat /n /end; stat -c %%s /big\n" % round_)
                self.assertIn("%d\n%d\n20971520\n" % (round_, round_), done.log)
        self.built(engine, "FROM base:1\nRUN echo end\n")
        self.assert_clean(engine)

    def test_one_at_a_time(self):
        engine = self.open("--at-once", "1")
        self.import_base(engine)
        jobs = [engine.build("FROM base:1\nRUN echo job %d; sleep 0.3; echo end\n" % i) for i in range(3)]
        for job in jobs:
            self.assertEqual(engine.wait(job).code, "OK")
        self.assertNotIn("Waiting", engine.logs[jobs[0]])
        self.assertIn("Waiting for 1 other build or pull to end.", engine.logs[jobs[1]])
        self.assertIn("Waiting", engine.logs[jobs[2]])

    def test_two_at_a_time(self):
        engine = self.open()
        self.import_base(engine)
        first, second, third = [engine.build("FROM base:1\nRUN echo %d; sleep 1000\n" % i) for i in range(3)]
        engine.wait_log(first, "0\n")
        engine.wait_log(second, "1\n")
        self.assertIn("Waiting for 2 other builds or pulls to end.", engine.logs[third])
        engine.say("cancel", first)
        engine.say("cancel", second)
        engine.wait_log(third, "2\n")
        engine.say("cancel", third)
        self.assertEqual(engine.wait(third).code, "CANCELLED")

    def test_memory_of_builds_has_a_limit(self):
        engine = self.open("--memory", "0.1")
        if not has_group(engine):
            self.skipTest("no control group can be made here")
        self.import_base(engine)
        done = engine.wait(engine.build("FROM base:1\nRUN dd if=/dev/zero of=/dev/null bs=300M count=1\n"))
        self.assertEqual(done.code, "STEP_FAILED", (done.error, done.log))
        self.assertIn("--build-memory", done.error, done.log)
        self.built(engine, "FROM base:1\nRUN dd if=/dev/zero of=/dev/null bs=10M count=1\n")


class Reach(Place):
    def test_a_step_cannot_get_at_the_loopback_of_the_host(self):
        """By no raw packet, and by none that is bound to the device which leads out."""
        engine = self.open()
        self.import_base(engine)
        done = self.built(engine, "FROM base:1\nRUN grep CapEff /proc/self/status\nRUN ip route\n")
        rights = int(done.log.split("CapEff:")[-1].split()[0], 16)
        self.assertFalse(rights >> 13 & 1, "CAP_NET_RAW")
        if "default via" in done.log:
            self.assertIn("prohibit 127.0.0.0/8", done.log)


class Secrets(Place):
    VALUE = "hush-Zx81-\"quoted\" 'and' more"

    def test_build_env(self):
        env = {**os.environ, "https_proxy": "http://user-Qq7:Passw0rd9@proxy.example:3128", "NO_PROXY": "127.0.0.1", "OTHER": "other-value"}
        engine = self.open("--build-env", "INDEX=" + self.VALUE, "--build-env", "SHORT=12", env=env)
        self.import_base(engine)
        done = self.built(engine, "FROM base:1\nRUN test \"$INDEX\" = \"%s\"\nRUN test $SHORT = 12\n"
                                  "RUN test ${#https_proxy} = 25; test $NO_PROXY = 127.0.0.1; test -z \"$OTHER\"\n"
                                  "RUN env; echo \"got $INDEX.\"\n"
                                  "ENV SHORT=own\nRUN test $SHORT = own\n" % self.VALUE.replace('"', '\\"'), "daytona-s:daytona")
        self.assertIn("INDEX=***\n", done.log)
        self.assertIn("got ***.\n", done.log)
        self.assertEqual(done.image["env"], [PATH, "SHORT=own"])
        for secret in (self.VALUE, "Passw0rd9", "user-Qq7", "http://proxy.example"):
            # The test's own text of the first step is the value as the Dockerfile has it.
            self.assertNotIn(secret, done.log)
            if os.geteuid() == 0:
                found = subprocess.run(["grep", "-rlF", secret, engine.state + "/images/store", engine.state + "/images/work"],
                                       capture_output=True, text=True)
                self.assertEqual(found.stdout, "", secret)

    def test_no_proxy_env(self):
        env = {**os.environ, "https_proxy": "http://proxy.example:3128"}
        engine = self.open("--no-proxy-env", "yes", env=env)
        self.import_base(engine)
        self.built(engine, "FROM base:1\nRUN test -z \"$https_proxy\"\n")


class Registries(Place):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        missing = lacking("docker-registry")
        if missing:
            cls.tearDownClass()
            raise unittest.SkipTest("docker-registry is not installed")
        cls.registry = Registry()
        cls.name = cls.registry.push("acme/base", "1", cls.base)
        cls.locked = Registry(user="someone:Passw0rd9")
        cls.locked.push("acme/base", "1", cls.base)

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "registry"):
            cls.registry.close()
            cls.locked.close()
        super().tearDownClass()

    def test_pull(self):
        engine = self.open("--insecure", self.registry.host)
        done = engine.run("pull", self.name)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.assertEqual(done.image["id"], self.base.id)
        self.assertFalse(done.image["isImported"])
        self.assertEqual(done.image["names"], [self.name])
        by_digest = "%s/acme/base@%s" % (self.registry.host, done.image["digest"])
        again = engine.run("pull", by_digest)
        self.assertEqual((again.code, again.error), ("OK", None), again.log)
        self.assertEqual(again.image["id"], self.base.id)

    def test_from_is_pulled(self):
        engine = self.open("--insecure", self.registry.host)
        done = self.built(engine, "FROM %s\nRUN echo pulled\n" % self.name)
        self.assertIn("\npulled\n", done.log)

    def test_a_tag_that_moved(self):
        engine = self.open("--insecure", self.registry.host)
        name = self.registry.push("acme/moves", "1", self.base)
        self.assertEqual(engine.run("pull", name).image["id"], self.base.id)
        other = Image(self.layer, Cmd=["/bin/ls"])
        self.registry.push("acme/moves", "1", other)
        self.assertEqual(engine.run("pull", name).image["id"], other.id)

    def test_unknown(self):
        engine = self.open("--insecure", self.registry.host)
        for name in ("acme/absent:1", "acme/base:2"):
            done = engine.run("pull", "%s/%s" % (self.registry.host, name))
            self.assertEqual(done.code, "UNKNOWN", done.error)
            self.assertIn("there is no such image", done.error)
        self.assertEqual(engine.run("pull", "No Name").code, "INVALID")

    def test_plain_http_is_refused(self):
        done = self.open().run("pull", self.name)
        self.assertEqual(done.code, "NO_NETWORK", done.error)
        self.assertIn("--registry-insecure", done.error)

    def test_unreachable(self):
        other = Registry()
        name = other.push("acme/base", "1", self.base)
        engine = self.open("--insecure", other.host)
        self.assertEqual(engine.run("pull", name).code, "OK")
        other.close()
        done = engine.run("pull", name)
        self.assertEqual((done.code, done.image["id"]), ("OK", self.base.id))
        self.assertIn("The registry cannot be reached", done.log)
        done = engine.run("pull", "%s/acme/other:1" % other.host)
        self.assertEqual(done.code, "NO_NETWORK", done.error)

    def test_an_imported_name_is_not_asked_for(self):
        other = Registry()
        name = other.push("acme/base", "1", Image(self.layer, Cmd=["/bin/ls"]))
        other.stop()
        engine = self.open("--insecure", other.host)
        self.assertEqual(engine.run("import", name, self.archive).code, "OK")
        began = time.monotonic()
        done = engine.run("pull", name)
        self.assertEqual((done.code, done.image["id"], done.log), ("OK", self.base.id, ""))
        self.built(engine, "FROM %s\nRUN echo here\n" % name)
        self.assertLess(time.monotonic() - began, 5)
        other.close()

    def auth_file(self, name, password):
        import base64
        told = base64.b64encode(("%s:%s" % (name, password)).encode()).decode()
        path = self.file("auth-%s.json" % password, json.dumps({"auths": {self.locked.host: {"auth": told}}}).encode())
        os.chmod(path, 0o600)
        if self.user is not None:
            os.chown(path, self.user, self.user)
        return path, told

    def test_credentials(self):
        name = "%s/acme/base:1" % self.locked.host
        done = self.open("--insecure", self.locked.host).run("pull", name)
        self.assertEqual(done.code, "REFUSED", done.error)
        self.assertIn("--registry-auth-file", done.error)
        path, _ = self.auth_file("someone", "wrong")
        self.assertEqual(self.open("--insecure", self.locked.host, "--auth-file", path).run("pull", name).code, "REFUSED")
        path, told = self.auth_file("someone", "Passw0rd9")
        engine = self.open("--insecure", self.locked.host, "--auth-file", path)
        done = engine.run("pull", name)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.built(engine, "FROM %s\nRUN test ! -e /run/auth.json; ! grep -r auths /run /etc\n" % name)
        if os.geteuid() == 0:
            found = subprocess.run(["grep", "-rlF", told, engine.state], capture_output=True, text=True)
            self.assertEqual(found.stdout, "")

    def test_mirror(self):
        engine = self.open("--insecure", self.registry.host, "--mirror", "docker.io=%s/acme" % self.registry.host)
        done = engine.run("pull", "docker.io/base:1")
        self.registry.push("acme/library/base", "1", self.base)
        done = engine.run("pull", "base:1")
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.assertEqual(done.image["names"], ["docker.io/library/base:1"])

    def test_cancel_of_a_pull(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        host = "127.0.0.1:%d" % listener.getsockname()[1]
        engine = self.open("--insecure", host)
        job = engine.begin("pull", host + "/x:1")
        listener.accept()
        engine.say("cancel", job)
        self.assertEqual(engine.wait(job).code, "CANCELLED")
        listener.close()


class Removal(Place):
    def names(self, engine):
        return sorted(name for image in engine.list()["list"] for name in image["names"])

    def test_remove(self):
        engine = self.open()
        image = self.import_base(engine).image
        self.assertEqual(engine.run("remove", "base:1").code, "OK")
        self.assertEqual(engine.list(), {"list": [], "disk": 0})
        self.assertIsNone(engine.show(image["id"]))
        done = engine.run("remove", "base:1")
        self.assertEqual((done.code, done.error), ("UNKNOWN", "there is no image base:1"))

    def test_one_of_two_names(self):
        engine = self.open()
        self.import_base(engine)
        engine.run("import", "second:1", self.archive)
        self.assertEqual(engine.run("remove", "base:1").code, "OK")
        self.assertIn("docker.io/library/second:1", self.names(engine))
        self.assertNotIn("docker.io/library/base:1", [n for n in self.names(engine) if engine.show(n)["isImported"] is False])

    def test_by_id(self):
        engine = self.open()
        image = self.import_base(engine).image
        engine.run("import", "second:1", self.archive)
        self.assertEqual(engine.run("remove", image["id"]).code, "OK")
        self.assertEqual(engine.list()["list"], [])

    def test_what_is_held_or_used_keeps_its_layers(self):
        engine = self.open()
        image = self.import_base(engine).image
        for keeps, leaves in ((("hold", "base:1"), ("drop",)), (("use", image["id"]), ("use", ""))):
            self.import_base(engine)
            engine.say(*keeps)
            self.assertEqual(engine.run("remove", "base:1").code, "OK")
            self.assertIsNone(engine.show("base:1"))
            self.assertEqual(engine.show(image["id"])["id"], image["id"])
            self.assertEqual(engine.run("prune").code, "OK")
            self.assertEqual(engine.show(image["id"])["id"], image["id"])
            engine.say(*leaves)
            self.assertEqual(engine.run("prune").code, "OK")
            self.assertEqual(engine.list()["list"], [])

    def test_prune(self):
        engine = self.open()
        self.import_base(engine)
        used = self.built(engine, "FROM base:1\nRUN echo 1 > /a\nRUN echo 2 > /b\n", "daytona-used:daytona")
        self.built(engine, "FROM base:1\nRUN echo 3 > /a\nRUN echo 4 > /b\n", "daytona-unused:daytona")
        before = engine.list()["disk"]
        engine.say("use", used.image["id"])
        done = engine.run("prune")
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.assertEqual(self.names(engine), ["docker.io/library/base:1", "localhost/daytona-used:daytona"])
        self.assertLess(engine.list()["disk"], before)
        self.built(engine, "FROM localhost/daytona-used:daytona\nRUN cat /a /b\n")

    def test_prune_waits_for_builds(self):
        engine = self.open()
        self.import_base(engine)
        job = engine.build("FROM base:1\nRUN echo a > /a\nRUN echo begun; sleep 1\nRUN cat /a\n", "daytona-b:daytona")
        engine.wait_log(job, "begun")
        prune = engine.begin("prune")
        self.assertEqual(engine.wait(job).code, "OK")
        self.assertEqual(engine.wait(prune).code, "OK")
        self.assertIsNone(engine.show("daytona-b:daytona"))


class Commits(Place):
    def test_commit(self):
        if os.geteuid() != 0 or self.user is not None:
            self.skipTest("the upper folder of this test is made by root")
        engine = self.open()
        self.import_base(engine)
        upper = os.path.join(self.place, "upper")
        os.makedirs(upper + "/etc")
        os.mknod(upper + "/etc/group", 0o020000 | 0o644, 0)
        with open(upper + "/etc/new", "w", encoding="utf-8") as file:
            file.write("changed\n")
        os.makedirs(upper + "/root")
        os.setxattr(upper + "/root", "user.overlay.opaque", b"y")
        for name in ("", "/etc", "/etc/group", "/etc/new", "/root"):
            os.lchown(upper + name, 300000, 300000)
        os.lchown(upper + "/etc/new", 300000 + 1234, 300000 + 1234)
        done = engine.run("commit", "base:1", upper, "snap:1")
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.assertEqual(done.image["cmd"], ["/bin/sh"])
        done = self.built(engine, "FROM localhost/snap:1\nRUN cat /etc/new; stat -c '%u %g' /etc/new; test ! -e /etc/group; test -e /etc/passwd\n")
        self.assertIn("changed\n1234 1234\n", done.log)


class Debian(Place):
    """An image with many owners, modes, links and a package manager."""

    def test_import_and_build(self):
        root = debian_root(os.environ["IMAGE_CACHE"])
        engine = self.open()
        done = engine.run("import", "debian:12", root)
        self.assertEqual((done.code, done.error), ("OK", None), done.log)
        self.assertGreater(done.image["size"], 50 << 20)
        done = self.built(engine, "FROM debian:12\nRUN stat -c '%U:%G %a' /var/mail /usr/bin/su && dpkg --audit && dpkg-query -W -f '${Status}\\n' dash\n"
                                  "RUN echo app:x:1500:1500::/home/app:/bin/sh >> /etc/passwd && mkdir /home/app && echo mine > /home/app/file && chown -R 1500:1500 /home/app\n"
                                  "USER app\nWORKDIR /home/app\nRUN id -un; stat -c %U file; ! touch /usr/x 2>/dev/null\n")
        self.assertIn("root:mail 2775\nroot:root 4755\ninstall ok installed\n", done.log)
        self.assertIn("app\napp\n", done.log)


class Chroot(Place):
    """As builders and continuous integration use it."""

    SCRIPT = """
mkdir "$0/root"
for name in /*; do
  if [ -L "$name" ]; then cp -P "$name" "$0/root$name"
  elif [ -d "$name" ]; then mkdir "$0/root$name"; mount --rbind "$name" "$0/root$name"
  fi
done
dir=$0
exec chroot "$dir/root" "$@"
"""

    def test_in_a_chroot(self):
        if os.geteuid() != 0:
            self.skipTest("only root makes a chroot")
        if harness.lacks("mount"):
            self.skipTest(harness.lacks("mount"))
        place = os.path.join(self.place, "chroot")
        os.makedirs(place + "/state")
        engine = Engine(place + "/state", prefix=["unshare", "--mount", "--propagation", "private", "sh", "-ec", self.SCRIPT, place])
        self.addCleanup(self.close, engine)
        self.import_base(engine)
        done = self.built(engine, "FROM base:1\nRUN echo one > /made; id -u\n")
        self.assertIn("\n0\n", done.log)
        job = engine.build(Cancels.SLOW)
        engine.wait_log(job, "begun\n")
        engine.say("cancel", job)
        self.assertEqual(engine.wait(job).code, "CANCELLED")


class OrdinaryUser:
    """The same as a user who is not root, with ids of /etc/subuid."""

    user = 65534

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("the tests run as an ordinary user already")
        missing = lacking("newuidmap", "setpriv")
        if missing:
            raise unittest.SkipTest("%s is not installed" % missing)
        super().setUpClass()
        # The build folder may be closed to others.
        cls.copy = shutil.copy(os.environ["IMAGE_ENGINE"], os.path.join(cls.place, "image_engine"))

    def program(self):
        return self.copy


class UserImports(OrdinaryUser, Imports):
    pass


class UserBuilds(OrdinaryUser, Builds):
    pass


class UserCancels(OrdinaryUser, Cancels):
    test_killed_at_any_moment = None
    test_two_at_a_time = None


class UserSecrets(OrdinaryUser, Secrets):
    pass


class UserRegistries(OrdinaryUser, Registries):
    test_cancel_of_a_pull = None
    test_unreachable = None


class UserRemoval(OrdinaryUser, Removal):
    pass


class Surroundings(Place):
    def check(self, *prefix, **more):
        type(self).count += 1
        state = os.path.join(self.place, "%d" % self.count, "state")
        os.makedirs(state)
        engine = Engine(state, prefix=prefix, **more)
        self.addCleanup(self.close, engine)
        self.import_base(engine)
        done = self.built(engine, "FROM base:1\nRUN umask; echo > /made; stat -c '%a %u' /made /bin\n")
        self.assertIn("0022\n644 0\n755 0\n", done.log)

    def test_a_narrow_umask(self):
        self.check("sh", "-c", 'umask 077; exec "$0" "$@"')

    def test_few_processes_and_files(self):
        if lacking("prlimit"):
            self.skipTest("prlimit is not installed")
        self.check("prlimit", "--nproc=3000", "--nofile=1024")

    def test_nothing_in_the_environment(self):
        self.check(env={"PATH": "/usr/bin:/bin"})


@unittest.skipIf(harness.lacks("mount"), harness.lacks("mount"))
class Missing(Place):
    def test_no_subordinate_ids(self):
        if os.geteuid() != 0 or lacking("newuidmap", "setpriv"):
            self.skipTest("only root becomes another user")
        state = os.path.join(self.place, "none", "state")
        os.makedirs(state)
        os.chown(state, 65534, 65534)
        program = shutil.copy(os.environ["IMAGE_ENGINE"], os.path.join(self.place, "engine"))
        script = 'mount --bind /dev/null /etc/subuid && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", program, state],
                              input="pull\t1\tx:1\nquit\n", capture_output=True, text=True, timeout=60)
        self.assertIn("/etc/subuid", json.loads(done.stdout.splitlines()[0])["missing"])
        self.assertEqual(json.loads(done.stdout.splitlines()[1])["code"], 2)

    def test_no_buildah(self):
        if os.geteuid() != 0:
            self.skipTest("only root hides a program")
        state = os.path.join(self.place, "hidden", "state")
        os.makedirs(state)
        script = 'mount --bind /dev/null "$(command -v buildah)" && exec "$@"'
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", os.environ["IMAGE_ENGINE"], state],
                              input="build\t1\t-\t/dev/null\nquit\n", capture_output=True, text=True, timeout=60)
        self.assertIn("package buildah", json.loads(done.stdout.splitlines()[0])["missing"])
        self.assertIn("package buildah", json.loads(done.stdout.splitlines()[1])["error"])

    def test_no_space(self):
        if os.geteuid() != 0:
            self.skipTest("only root mounts")
        state = os.path.join(self.place, "full")
        os.makedirs(state)
        script = 'mount -t tmpfs -o size=3m none "$0" && exec "$@"'
        engine = Engine(state, prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", script, state])
        self.addCleanup(self.close, engine)
        done = engine.run("import", "x:1", self.root)
        self.assertEqual(done.code, "NO_SPACE", (done.error, done.log))
        self.assertIn("no space is left", done.error)
        self.assertIsNone(engine.show("x:1"))

    def test_a_build_leaves_space_for_others(self):
        if os.geteuid() != 0:
            self.skipTest("only root mounts")
        state = os.path.join(self.place, "small")
        os.makedirs(state)
        script = 'mount -t tmpfs -o size=64m none "$0" && exec "$@"'
        engine = Engine(state, prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", script, state])
        self.addCleanup(self.close, engine)
        self.assertEqual(engine.run("import", "base:1", self.root).code, "OK")
        step = "while :; do dd if=/dev/zero bs=128k count=1 >>/big 2>/dev/null || echo was full; sleep 0.02; done"
        done = engine.wait(engine.build("FROM base:1\nRUN %s\n" % step))
        self.assertEqual(done.code, "NO_SPACE", (done.error, done.log))
        self.assertIn("reserve", done.error)
        self.assertNotIn("\nwas full", done.log)
        # What it wrote is gone with it.
        self.assertEqual(engine.wait(engine.build("FROM base:1\nRUN dd if=/dev/zero of=/big bs=1M count=4\n")).code, "OK")

    def test_a_build_leaves_files_for_others(self):
        """A disk is full, too, when it can have no more files."""
        if os.geteuid() != 0:
            self.skipTest("only root mounts")
        state = os.path.join(self.place, "few")
        os.makedirs(state)
        script = 'mount -t tmpfs -o size=256m,nr_inodes=20000 none "$0" && exec "$@"'
        engine = Engine(state, prefix=["unshare", "--mount", "--propagation", "private", "sh", "-c", script, state])
        self.addCleanup(self.close, engine)
        self.assertEqual(engine.run("import", "base:1", self.root).code, "OK")
        step = ("i=0; while :; do i=$((i+1)); (: >/f$i) 2>/dev/null || echo was full; "
                "[ $((i % 10)) != 0 ] || [ $(busybox stat -f -c %d /) -gt 1500 ] || sleep 0.05; done")  # slowly towards the end
        done = engine.wait(engine.build("FROM base:1\nRUN %s\n" % step))
        self.assertEqual(done.code, "NO_SPACE", (done.error, done.log[-1000:]))
        self.assertNotIn("\nwas full", done.log)
        self.assertEqual(engine.wait(engine.build("FROM base:1\nRUN : >/one\n")).code, "OK")


if __name__ == "__main__":
    harness.main()
