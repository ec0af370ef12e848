-- SPDX-License-Identifier: Apache-2.0
-- The binding against daytona-local, whose address and key are in the environment. TAP.
local daytona = require("daytona")

local function raises(kind, body, ...)
  local passed, why = pcall(body, ...)
  assert(not passed, "it did not raise")
  assert(type(why) == "table" and why:is(kind), tostring(why))
  return why
end

local client, sandbox

local tests = {
  { "a command has a result", function()
    local done = sandbox:exec("echo out; echo $WORD in $PWD; exit 3", { cwd = "/tmp", env = daytona.map { WORD = "given" } })
    assert(done.exit_code == 3 and done.result == "out\ngiven in /tmp\n", done.result)
  end },
  { "code has a result", function()
    local done = sandbox:code_run("import sys; print(sys.argv[1:])", { argv = daytona.strings { "one", "two" } })
    assert(done.result == "['one', 'two']\n", done.result)
  end },
  { "functions run side by side", function()
    local jobs = {}
    for i = 1, 20 do jobs[i] = daytona.spawn(function(n) return sandbox:exec("echo " .. n).result end, i) end
    for i = 1, 20 do assert(jobs[i]:join() == i .. "\n") end
  end },
  { "a spawned error is raised where it is joined", function()
    local job = daytona.spawn(function() sandbox:download("/nowhere") end)
    raises("ENOTFOUND", job.join, job)
  end },
  { "a failure is an error with its facts", function()
    local why = raises("ENOTFOUND", client.get, client, "no-such-sandbox")
    assert(why.http_status == 404 and tostring(why):find("DAYTONA_ENOTFOUND", 1, true))
    raises("EPROCESS_TIMEOUT", sandbox.exec, sandbox, "sleep 30", { timeout_ms = 1000 })
    raises("EINVAL", sandbox.exec, sandbox, "true\0false")
  end },
  { "files go and come back", function()
    local bytes = ("x\0y"):rep(100000)
    sandbox:upload("folder/bytes", bytes)
    assert(sandbox:download("folder/bytes") == bytes)
  end },
  { "any call of the library can be made", function()
    daytona.call("fs_create_folder", sandbox.pointer, "made", "750", nil)
    local list, held = daytona.call("fs_list_files", sandbox.pointer, "folder", nil)
    assert(list.count == 1 and daytona.ffi.string(list.items[0].name) == "bytes" and held)
  end },
  { "a follow is an iterator", function()
    sandbox:create_session("s")
    local command = sandbox:session_exec("s", "echo one; sleep 0.1; echo two >&2; echo three", { run_async = true })
    local got = { stdout = "", stderr = "" }
    local parts, ending = sandbox:follow("s", command.command_id)
    for part in parts do got[part.stream] = got[part.stream] .. part.data end
    assert(got.stdout == "one\nthree\n" and got.stderr == "two\n", got.stdout .. got.stderr)
    assert(ending.reason == "exited" and ending.exit_code == 0)
    local done = sandbox:session_exec("s", "echo kept")
    assert(done.out == "kept\n" and done.exit_code == 0)
  end },
  { "a long log is paused and complete", function()
    local command = sandbox:session_exec("s", "seq 1 200000", { run_async = true })
    local size, parts, ending = 0, sandbox:follow("s", command.command_id)
    for part in parts do
      size = size + #part.data
      if size < 300000 then sandbox:exec("true") end
    end
    assert(size == 1288895 and ending.exit_code == 0, size)
    sandbox:delete_session("s")
  end },
  { "a follow of nothing raises", function()
    raises("ENOTFOUND", function() for _ in sandbox:follow("no-session", "no-command") do end end)
  end },
  { "a terminal is typed into", function()
    local pty = sandbox:pty({ cols = 90, rows = 20, env = daytona.map { WORD = "given" } })
    pty:resize(100, 30)
    pty:write("stty size; echo $WORD; exit 7\n")
    local shown = ""
    for data in pty:output() do shown = shown .. data end
    local ending = pty:wait()
    assert(shown:find("30 100", 1, true) and shown:find("given", 1, true), shown)
    assert(ending.reason == "exited" and ending.exit_code == 7, ending.reason)
    raises("ECONNECTION", pty.write, pty, "more")
  end },
  { "a terminal that is left goes on", function()
    local first = sandbox:pty({ id = "left" })
    first:close()
    assert(first:wait().reason == "closed")
    local second = sandbox:connect_pty("left")
    second:write("echo is-$((1+1))\n")
    local shown, killed = "", false
    for data in second:output() do
      shown = shown .. data
      if not killed and shown:find("is-2", 1, true) then
        killed = true
        second:kill()
      end
    end
    assert(second:wait().exit_code == 137)
    raises("EFAILED", sandbox.connect_pty, sandbox, "none")
  end },
  { "a terminal that is read slowly is paused and complete", function()
    local pty = sandbox:pty()
    pty:write("stty -onlcr; echo be''gin; seq 1 150000; exit\n")
    local parts, most = {}, 0
    for data in pty:output() do
      parts[#parts + 1] = data
      if #parts < 20 then sandbox:exec("true") end
      most = math.max(most, pty.stream.kept)
    end
    local body = table.concat(parts):match("begin\n(.*150000\n)")
    assert(body and #body == 938895, body and #body)
    assert(most < 1048576, most)
  end },
  { "sandboxes are iterated", function()
    local found = {}
    for each in client:sandboxes({ labels = daytona.map { of = "lua" } }) do found[#found + 1] = each.id end
    assert(#found == 1 and found[1] == sandbox.id)
  end },
  { "local files go and come back", function()
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write("local")
    file:close()
    sandbox:upload_file(path, "local")
    sandbox:download_file("local", path)
    assert(io.open(path):read("*a") == "local" and os.remove(path))
  end },
  { "options with a NUL are refused", function()
    raises("EINVAL", sandbox.exec, sandbox, "true", { cwd = "/tmp\0/x" })
    raises("EINVAL", daytona.map, { ["a\0b"] = "c" })
  end },
  { "what is collected is released", function()
    for _ = 1, 50 do client:get(sandbox.id) end
    collectgarbage()
    assert(sandbox:state() == "started")
  end },
}

local failed = 0
local function point(number, name, passed, why)
  if not passed then
    failed = failed + 1
    print("# " .. tostring(why):gsub("\n", "\n# "))
  end
  print((passed and "ok " or "not ok ") .. number .. " - " .. name)
  io.stdout:flush()
end

print("1.." .. #tests + 2)
daytona.run(function(made)
  client = made
  sandbox = client:create({ labels = daytona.map { of = "lua" }, auto_stop_minutes = daytona.int(0) })
  for number, test in ipairs(tests) do point(number, test[1], pcall(test[2])) end
  daytona.spawn(function() pcall(sandbox.exec, sandbox, "sleep 60") end) -- ends with the client
  sandbox:delete()
end)
local passed, why = pcall(daytona.run, function() end, { ignores_environment = true })
point(#tests + 1, "a bad configuration has a reason", not passed and why:is("EAUTH"), why)
passed, why = pcall(daytona.run, function() error("mine", 0) end)
point(#tests + 2, "an error of the program comes out of run", not passed and why == "mine", why)
os.exit(failed == 0 and 0 or 1, true)
