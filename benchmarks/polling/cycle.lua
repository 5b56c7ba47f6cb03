-- Has wrk ask the questions of a file in turn: one a line, the path and then headers, with tabs between.
local requests, asked = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, rest = line:match("^([^\t]*)(.*)$")
    local headers = {}
    for name, value in rest:gmatch("\t([^\t:]+): ([^\t]*)") do
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  asked = asked % #requests + 1
  return requests[asked]
end
