-- Requests a new token now. The old one stays valid for the overlap.
local os = require("os")

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["registry-token.dev/rotate"] = os.date("!%Y-%m-%dT%XZ")
return obj
