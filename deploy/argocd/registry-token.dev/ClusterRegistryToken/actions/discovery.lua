-- While an object is deleted, no token is requested.
local deleted = obj.metadata.deletionTimestamp ~= nil
local suspended = obj.spec.suspend == true

return {
  ["rotate"] = { ["disabled"] = deleted or suspended },
  ["reconcile"] = { ["disabled"] = deleted },
  ["suspend"] = { ["disabled"] = deleted or suspended },
  ["resume"] = { ["disabled"] = deleted or not suspended },
}
