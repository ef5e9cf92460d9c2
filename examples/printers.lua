-- Printers of values for gospect debug and gospect dap: copy what you need into
-- ~/.config/gospect/printers.lua, and change the names of the types.

-- A struct: fields are numbers and texts.
gospect.printer("main.money", function(v)
    return string.format("%.2f %s", v.cents / 100, v.currency)
end)

-- A type that is a number.
gospect.printer("main.celsius", function(v) return string.format("%.1f C", v) end)

-- Bytes.
gospect.printer("main.id", function(v)
    return (gospect.bytes(v):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end)

-- A generic type, whatever its arguments are; tostring() shows a part as the debugger does.
gospect.printer("main.pair", function(v) return tostring(v.key) .. "=" .. tostring(v.val) end)

-- A pointer.  Fields are reached through it; a pointer that is nil is nil in Lua.
gospect.printer("*main.node", function(v)
    local text, n = "", 0
    while v and n < 100 do
        text, v, n = text .. v.name .. ">", v.next, n + 1
    end
    return text
end)

-- A second result is a list of children, {name, value}: what an editor unfolds.
gospect.printer("main.stock", function(v)
    local total, children = 0, {}
    for name, count in pairs(v.items) do
        total = total + count
        children[#children + 1] = {name, count}
    end
    table.sort(children, function(a, b) return a[1] < b[1] end)
    children[#children + 1] = {"owner", v.owner}
    return total .. " pieces", children
end)
