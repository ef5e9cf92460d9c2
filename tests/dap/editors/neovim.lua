-- neovim.lua - a session with gospect dap in Neovim, by nvim-dap: what a user does by keys and sees on the screen.
--
--     nvim --headless --clean --cmd "set rtp+=NVIM-DAP" -c "luafile CONFIG" -c "luafile neovim.lua" SOURCE
--
-- CONFIG is the part for Neovim of docs/how/editors.md; $DAP_LINE the line that gets a breakpoint.  Prints as JSON what the
-- editor knows at each stop; test_dap_editors.py says what that should be.
local dap = require('dap')
local seen = { stops = {}, output = '', problems = {} }
local line = tonumber(vim.env.DAP_LINE)
local step = 'start'

-- nvim-dap tells its user with these; in this mode nobody would see it.
vim.notify = function(text, level)
  if (level or 0) >= vim.log.levels.WARN then
    table.insert(seen.problems, text)
  end
end

local function finish(problem)
  if problem then
    table.insert(seen.problems, step .. ': ' .. problem)
  end
  io.stdout:write(vim.json.encode(seen) .. '\n')
  io.stdout:flush()
  vim.cmd(problem and 'cquit' or 'qall!')
end

local function wait_for(what, f)
  step = what
  if not vim.wait(60000, f, 10) then
    finish('not in a minute')
  end
end

-- The frame with its scopes and their variables, as nvim-dap has fetched them by itself.
local last
local function stopped(count)
  wait_for('stop ' .. count, function()
    local frame = dap.session() and dap.session().current_frame
    local scope = frame and frame ~= last and frame.scopes and frame.scopes[1]
    return seen.count == count and scope and scope.variables
  end)
  last = dap.session().current_frame
  local session = dap.session()
  local frame = session.current_frame
  local stop = {
    reason = seen.reason, name = frame.name, line = frame.line, cursor = vim.api.nvim_win_get_cursor(0)[1],
    file = vim.api.nvim_buf_get_name(0), locals = {}, sign = #vim.fn.sign_getplaced('', { group = '*', lnum = frame.line })[1].signs,
  }
  for _, variable in pairs(frame.scopes[1].variables) do
    stop.locals[variable.name] = variable.value
  end
  local sum
  session:evaluate('n + p.Y', function(err, answer) sum = err and vim.inspect(err) or answer.result end)
  wait_for('evaluate', function() return sum end)
  stop.sum = sum
  table.insert(seen.stops, stop)
end

seen.count = 0
dap.listeners.before.event_stopped.test = function(_, body)
  seen.count, seen.reason = seen.count + 1, body.reason
end
dap.listeners.before.event_output.test = function(_, body)
  if body.category == 'stdout' then
    seen.output = seen.output .. body.output
  end
end
dap.listeners.before.event_exited.test = function(_, body) seen.code = body.exitCode end

vim.api.nvim_win_set_cursor(0, { line, 0 })
dap.toggle_breakpoint()
dap.run(dap.configurations.go[1])
stopped(1)
seen.threads = vim.tbl_count(dap.session().threads)
dap.step_over()
stopped(2)
dap.step_over()
stopped(3)
dap.continue()
stopped(4)
if vim.env.DAP_END == 'terminate' then
  dap.terminate()
else
  dap.clear_breakpoints()
  dap.continue()
end
wait_for('end', function() return not dap.session() end)
finish()
