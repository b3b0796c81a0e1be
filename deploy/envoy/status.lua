-- Turn what a service asked for in its metadata into HTTP, and keep gRPC's own headers out of REST.
-- Only answers are read here: a client's copies of these headers are removed before any filter runs.

-- The status a service refined, or nil. A success stays a success and an error an error, whatever
-- was announced before the call failed.
local function refined(status, announced)
  local asked = tonumber(announced)
  if asked == nil or asked % 1 ~= 0 then
    return nil
  end
  if status == 200 and asked >= 200 and asked < 400 then
    return asked
  end
  if status >= 400 and asked >= 400 and asked < 600 then
    return asked
  end
  return nil
end

function envoy_on_response(handle)
  local headers = handle:headers()
  headers:replace("x-content-type-options", "nosniff")
  local announced = headers:get("x-http-code")
  local length = headers:get("x-content-length")
  headers:remove("x-http-code")
  headers:remove("x-content-length")
  if string.sub(headers:get("content-type") or "", 1, 16) == "application/grpc" then
    return
  end

  for _, name in ipairs({"grpc-status", "grpc-message", "grpc-status-details-bin",
                         "grpc-accept-encoding", "grpc-encoding"}) do
    headers:remove(name)
  end
  local status = tonumber(headers:get(":status"))
  local code = refined(status, announced)
  if code ~= nil then
    headers:replace(":status", tostring(code))
  end
  if status >= 400 then
    -- Announced for the file that then did not come.
    for _, name in ipairs({"content-disposition", "etag", "location", "accept-ranges"}) do
      headers:remove(name)
    end
  elseif code == 204 or code == 304 then
    -- A body here would be read as the start of the next answer (RFC 9110, section 6.4.1).
    local body = handle:body()
    if body ~= nil then
      body:setBytes("")
    end
    -- Waiting for the body invalidated the headers fetched before.
    handle:headers():remove("content-length")
    handle:headers():remove("content-type")
  elseif length ~= nil then
    headers:replace("content-length", length)
  end
end
