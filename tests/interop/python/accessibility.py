# SPDX-License-Identifier: Apache-2.0
"""What the programs on a desktop show of themselves, and actions on it."""

import os

from support import Skip, Topic, done, eventually, raises, sdk

WINDOW = """
import gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gtk
window, box, entry = Gtk.Window(title='Form'), Gtk.Box(orientation=Gtk.Orientation.VERTICAL), Gtk.Entry()
window.add(box)
entry.get_accessible().set_name('Your name')
button = Gtk.Button(label='Send')
button.connect('clicked', lambda *_: open('sent', 'w').write(entry.get_text()))
box.add(button)
box.add(entry)
window.show_all()
Gtk.main()
"""


class Accessibility(Topic):
    async def accessibility(self):
        if "INTEROP_NO_A11Y" in os.environ:
            raise Skip(os.environ["INTEROP_NO_A11Y"])
        async with self.sandbox() as sandbox:
            shown = sandbox.computer_use.accessibility
            error = await raises(sdk.DaytonaError, lambda: shown.get_tree(scope="all"), 503)
            assert error.error_code == "A11Y_UNAVAILABLE", repr(error)
            await done(sandbox.computer_use.start())
            await done(sandbox.fs.upload_file(WINDOW.encode(), "window.py"))
            await self.exec(sandbox, "(/usr/bin/python3 window.py >said 2>&1 & echo $! >pid)")

            async def find(**more):
                return (await done(shown.find_nodes(scope="all", name_match="exact", limit=0, **more))).matches or []

            (button,) = await eventually(lambda: find(name="Send", role="button"), 60)
            assert button.actions == ["click"] and "showing" in button.states and button.bounds.width > 0, button
            pid = int((await done(sandbox.process.exec("cat pid"))).result)
            tree = await done(shown.get_tree(scope="pid", pid=pid))
            assert tree.root.role == "application" and [c.name for c in tree.root.children] == ["Form"] and not tree.truncated, tree
            assert not (await done(shown.get_tree(scope="all", max_depth=0))).root.children
            (entry,) = await find(name="Your name", states=["editable"])
            await done(shown.focus_node(entry.id))
            await done(shown.set_node_value(entry.id, "Ada größe"))
            await done(shown.invoke_node(button.id, action="click"))
            await eventually(lambda: self._is(sandbox, "cat sent", "Ada größe"))
            await raises(sdk.DaytonaBadRequestError, lambda: shown.invoke_node(button.id, action="fly"), 400)
            await raises(sdk.DaytonaNotFoundError, lambda: shown.focus_node(":1.9999:/x"), 404)
            await done(sandbox.computer_use.stop())

    async def _is(self, sandbox, command, wanted):
        return (await done(sandbox.process.exec(command))).result == wanted
