-- Reads the list of the portal now.
local os = require("os")

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["registry-token.dev/reconcile"] = os.date("!%Y-%m-%dT%XZ")
return obj
