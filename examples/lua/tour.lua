-- SPDX-License-Identifier: Apache-2.0
-- The Lua binding in one story: sandboxes side by side, files, a log that is followed, a terminal, and what goes wrong.
--
--   daytona-local run -- luajit examples/lua/tour.lua        with no account
local daytona = require("daytona")

local PROGRAM = [[
import time
for step in range(3):
    print("step", step, flush=True)
    time.sleep(0.05)
]]

-- Start a program in a session, and read what it prints while it runs.
local function follow(sandbox)
  sandbox:upload("steps.py", PROGRAM)
  sandbox:create_session("steps")
  local command = sandbox:session_exec("steps", "python3 steps.py", { run_async = true })
  local out = ""
  local parts, ending = sandbox:follow("steps", command.command_id)
  for part in parts do out = out .. part.data end
  local _, steps = out:gsub("step", "")
  return ("%d steps, then %s %d"):format(steps, ending.reason, ending.exit_code)
end

-- Type into a terminal until its shell ends.
local function type_into(sandbox)
  local pty, shown = sandbox:pty({ cols = 100, rows = 30 }), ""
  pty:write("stty size; exit 4\n")
  for data in pty:output() do shown = shown .. data end
  local size = shown:find("30 100", 1, true) and "100x30" or "another size"
  return ("a terminal of %s, exit code %d"):format(size, pty:wait().exit_code)
end

-- A failure is an error with facts.
local function go_wrong(sandbox)
  local passed, why = pcall(sandbox.download, sandbox, "/nowhere")
  assert(not passed and why:is("ENOTFOUND"))
  return why.name
end

-- A sandbox is deleted whatever happened to it; a failure goes on to the caller after that.
local function one(client, number)
  local sandbox = client:create({ labels = daytona.map { tour = tostring(number) } })
  local jobs, parts = {}, {}
  for i, each in ipairs { follow, type_into, go_wrong } do jobs[i] = daytona.spawn(each, sandbox) end
  local passed, why = pcall(function()
    for i, job in ipairs(jobs) do parts[i] = job:join() end
  end)
  sandbox:delete()
  if not passed then error(why, 0) end
  return number .. ": " .. table.concat(parts, "; ")
end

local function tour(count)
  daytona.run(function(client)
    local jobs = {}
    for number = 1, count do jobs[number] = daytona.spawn(one, client, number) end
    for _, job in ipairs(jobs) do print(job:join()) end
  end)
end

local count = tonumber(arg[1] or 3)
if not count then
  local is_help = arg[1] == "--help" or arg[1] == "-h"
  local out = is_help and io.stdout or io.stderr
  out:write("usage: tour.lua [NUMBER]\nCreates sandboxes side by side (default: 3), uses and deletes them.\n")
  os.exit(is_help and 0 or 2)
end
local passed, why = pcall(tour, count)
if not passed then
  io.stderr:write(tostring(why), "\n")
  os.exit(1)
end
