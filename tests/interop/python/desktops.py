# SPDX-License-Identifier: Apache-2.0
"""The desktop: processes, mouse, keyboard, screenshots, displays, windows and recordings."""

import base64
import os
import struct
import tempfile

from support import Skip, Topic, done, eventually, raises, sdk

NAMES = ("xvfb", "xfce4", "x11vnc", "novnc")


def size_of(shot):
    """Of a PNG; the others only begin as they have to."""
    data = base64.b64decode(shot.screenshot, validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    return struct.unpack(">II", data[16:24])


class Desktops(Topic):
    async def desktop(self):
        if "INTEROP_NO_DESKTOP" in os.environ:
            raise Skip(os.environ["INTEROP_NO_DESKTOP"])
        async with self.sandbox() as sandbox:
            use = sandbox.computer_use
            await self._processes(use)
            await self._mouse(use.mouse)
            await self._keyboard(sandbox, use)
            await self._screen(use)
            await self._recordings(use.recording)
            stopped = await done(use.stop())
            assert not stopped.status["xvfb"].running, stopped
            assert (await done(use.get_status())).status == "inactive"

    async def _processes(self, use):
        assert (await done(use.get_status())).status == "inactive"
        started = await done(use.start())
        assert {name: started.status[name].running for name in NAMES} == dict.fromkeys(NAMES, True), started
        assert (await done(use.get_status())).status == "active"
        for name in NAMES:
            status = await done(use.get_process_status(name))
            assert (status.process_name, status.running) == (name, True), status
        assert (await done(use.restart_process("novnc"))).process_name == "novnc"
        assert "PORT=5901" in (await done(use.get_process_logs("x11vnc"))).logs
        assert (await done(use.get_process_errors("xvfb"))).process_name == "xvfb"

    async def _mouse(self, mouse):
        def at(position):
            return position.x, position.y
        assert at(await done(mouse.move(300, 200))) == (300, 200)
        assert at(await done(mouse.get_position())) == (300, 200)
        assert at(await done(mouse.click(310, 210))) == (310, 210)
        assert at(await done(mouse.click(320, 220, button="right", double=True))) == (320, 220)
        assert at(await done(mouse.drag(100, 100, 200, 160))) == (200, 160)
        assert await done(mouse.scroll(300, 200, "down", amount=3)) is True
        await raises(sdk.DaytonaBadRequestError, lambda: mouse.click(1, 1, button="fourth"), 400)
        await raises(sdk.DaytonaBadRequestError, lambda: mouse.move(99999, 1), 400)
        if not hasattr(mouse, "down"):
            return
        assert at(await done(mouse.down(50, 60))) == (50, 60)
        assert at(await done(mouse.up(70, 80))) == (70, 80)
        assert at(await done(mouse.click(10, 10, clicks=3, modifiers=["ctrl"]))) == (10, 10)
        assert await done(mouse.scroll(300, 200, "left", modifiers=["shift"])) is True
        await raises(sdk.DaytonaBadRequestError, lambda: mouse.click(1, 1, clicks=11), 400)

    async def _keyboard(self, sandbox, use):
        await done(use.keyboard.press("escape"))  # the menu of the right click
        await done(sandbox.process.exec("(xterm -T typed -e sh -c 'cat >typed' >/dev/null 2>&1 </dev/null &)"))

        async def windows():
            return [window for window in (await done(use.display.get_windows())).windows or [] if window.title == "typed"]
        window = (await eventually(windows))[0]
        assert window.width > 100 and window.id > 0, window
        await done(use.mouse.click(window.x + 20, window.y + 20))
        await done(use.keyboard.type("Grüße, 漢字!\n"))
        await done(use.keyboard.type("slow", 10))
        await done(use.keyboard.press("Return"))
        await done(use.keyboard.press("a", ["shift"]))
        if hasattr(use.keyboard, "down"):
            await done(use.keyboard.down("shift"))
            await done(use.keyboard.press("b"))
            await done(use.keyboard.up("shift"))
        await done(use.keyboard.press("enter"))
        await done(use.keyboard.hotkey("ctrl+d"))

        async def gone():
            return not await windows()
        await eventually(gone)
        typed = (await done(sandbox.process.exec("cat typed"))).result.split("\n")
        assert typed[:2] == ["Grüße, 漢字!", "slow"] and typed[2] in ("A", "AB"), typed
        for call in (lambda: use.keyboard.press("nosuch"), lambda: use.keyboard.hotkey("a+b"), lambda: use.keyboard.type("a\tb")):
            await raises(sdk.DaytonaBadRequestError, call, 400)

    async def _screen(self, use):
        display = (await done(use.display.get_info())).displays[0]
        assert (display.width, display.height, display.is_active) == (1024, 768, True), display
        region = sdk.ScreenshotRegion(x=10, y=20, width=64, height=48)
        assert size_of(await done(use.screenshot.take_full_screen())) == (1024, 768)
        shot = await done(use.screenshot.take_region(region, True))
        assert size_of(shot) == (64, 48) and shot.cursor_position is not None, shot
        small = await done(use.screenshot.take_compressed(sdk.ScreenshotOptions(scale=0.5)))
        assert size_of(small) == (512, 384) and small.size_bytes == len(base64.b64decode(small.screenshot))
        for fmt, start in (("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")):
            shot = await done(use.screenshot.take_compressed_region(region, sdk.ScreenshotOptions(fmt=fmt, quality=80, show_cursor=True)))
            assert base64.b64decode(shot.screenshot).startswith(start), fmt

    async def _recordings(self, recording):
        if "INTEROP_NO_FFMPEG" in os.environ:
            return
        started = await done(recording.start("interop run"))
        assert (started.status, started.file_name.split("_")[1]) == ("recording", "interop run"), started
        assert [item.id for item in (await done(recording.list())).recordings] == [started.id]
        await raises(sdk.DaytonaConflictError, lambda: recording.delete(started.id), 409)
        stopped = await done(recording.stop(started.id))
        assert stopped.status == "completed" and stopped.size_bytes > 0, stopped
        assert (await done(recording.get(started.id))).size_bytes == stopped.size_bytes
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "deep", "film.mp4")
            await done(recording.download(started.id, path))
            with open(path, "rb") as file:
                film = file.read()
        assert film[4:8] == b"ftyp" and len(film) == stopped.size_bytes
        await done(recording.delete(started.id))
        await raises(sdk.DaytonaNotFoundError, lambda: recording.get(started.id), 404)
        await raises(sdk.DaytonaBadRequestError, lambda: recording.start("a/b"), 400)

    async def desktop_errors(self):
        """Before there is one."""
        async with self.sandbox() as sandbox:
            use = sandbox.computer_use
            assert (await done(use.display.get_windows())).windows is None
            for call in (lambda: use.mouse.move(1, 1), lambda: use.keyboard.type("x"), use.screenshot.take_full_screen):
                await raises(sdk.DaytonaError, call, 503)
            await raises(sdk.DaytonaError, lambda: use.get_process_status("nosuch"), 503)
            await raises(sdk.DaytonaBadRequestError, lambda: use.get_process_logs("xvfb"), 400)
