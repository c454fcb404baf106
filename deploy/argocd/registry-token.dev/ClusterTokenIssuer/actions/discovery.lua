-- While an issuer is deleted, it requests no token.
local deleted = obj.metadata.deletionTimestamp ~= nil

return {
  ["rotate"] = { ["disabled"] = deleted },
  ["reconcile"] = { ["disabled"] = deleted },
}
