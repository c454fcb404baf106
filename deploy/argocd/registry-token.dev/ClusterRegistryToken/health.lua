-- Health of a ClusterRegistryToken, from its conditions only, as in kstatus.
local function answer(status, message)
  return { status = status, message = message or "" }
end

if obj.metadata.deletionTimestamp ~= nil then
  return answer("Progressing", "Deletion in progress: tokens are revoked first")
end

local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return answer("Progressing", "Not reconciled yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

if holds("Stalled") then
  return answer("Degraded", conditions.Stalled.message)
end
if holds("Suspended") then
  return answer("Suspended", conditions.Suspended.message)
end
if holds("Reconciling") then
  return answer("Progressing", conditions.Reconciling.message)
end
if holds("Ready") then
  return answer("Healthy", conditions.Ready.message)
end
return answer("Progressing", conditions.Ready and conditions.Ready.message or "No condition set yet")
