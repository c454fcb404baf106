-- Requests new tokens for all RegistryTokens of this issuer.
local os = require("os")

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["registry-token.dev/rotate"] = os.date("!%Y-%m-%dT%XZ")
return obj
