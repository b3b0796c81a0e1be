-- Tell callers whose call a service cut off to try again.
--
-- A gRPC server that stops ends a call that it has not begun with CANCELLED. To a caller that is
-- still there and called nothing off this says nothing; UNAVAILABLE says what to do.

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get("grpc-status") == "1" and headers:get("grpc-status-details-bin") == nil then
    headers:replace("grpc-status", "14")
    headers:replace("grpc-message", "${MESSAGE}")
    headers:replace("grpc-status-details-bin", "${DETAILS}")
  end
end
