// SPDX-License-Identifier: Apache-2.0
// What the programs on a desktop show of themselves, and actions on it.

import assert from 'node:assert/strict'

import { Skip, eventually, exec, raises, sdk, withSandbox } from './support.mjs'

const program = `
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
`

export const scenarios = {
  async accessibility() {
    if (process.env.INTEROP_NO_A11Y) throw new Skip(process.env.INTEROP_NO_A11Y)
    await withSandbox({}, async (sandbox) => {
      const shown = sandbox.computerUse.accessibility
      await raises(sdk.DaytonaError, () => shown.getTree({ scope: 'all' }), 503)
      await sandbox.computerUse.start()
      await sandbox.fs.uploadFile(Buffer.from(program), 'window.py')
      await exec(sandbox, '(/usr/bin/python3 window.py >said 2>&1 & echo $! >pid)')
      const find = async (more) => (await shown.findNodes({ scope: 'all', nameMatch: 'exact', ...more })).matches ?? []
      let button
      await eventually(async () => { [button] = await find({ name: 'Send', role: 'button' }); return button }, 60)
      assert.deepEqual(button.actions, ['click'])
      assert(button.states.includes('showing') && button.bounds.width > 0)
      const pid = Number((await sandbox.process.executeCommand('cat pid')).result)
      const tree = await shown.getTree({ scope: 'pid', pid })
      assert.deepEqual([tree.root.role, tree.root.children.map((c) => c.name), tree.truncated], ['application', ['Form'], false])
      assert(!(await shown.getTree({ scope: 'all', maxDepth: 0 })).root.children)
      const [entry] = await find({ name: 'Your name', states: ['editable'] })
      await shown.focusNode(entry.id)
      await shown.setNodeValue(entry.id, 'Ada größe')
      await shown.invokeNode(button.id, 'click')
      await eventually(async () => (await sandbox.process.executeCommand('cat sent')).result === 'Ada größe')
      await raises(sdk.DaytonaError, () => shown.invokeNode(button.id, 'fly'), 400)
      await raises(sdk.DaytonaNotFoundError, () => shown.focusNode(':1.9999:/x'), 404)
      await sandbox.computerUse.stop()
    })
  },
}
