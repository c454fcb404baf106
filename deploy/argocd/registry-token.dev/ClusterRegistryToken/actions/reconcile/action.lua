-- Checks the Secret, the row in the portal and the login now.
local os = require("os")

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["registry-token.dev/reconcile"] = os.date("!%Y-%m-%dT%XZ")
return obj
