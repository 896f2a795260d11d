-- Degraded: a person must do something. Suspended: it waits on purpose. Progressing: it is being
-- done. Healthy: all brokers serve and the wish is fulfilled.
local hs = {}
if obj.spec ~= nil and obj.spec.paused then
  hs.status = "Suspended"
  hs.message = "paused"
  return hs
end
if obj.status == nil or obj.status.observedGeneration == nil
    or obj.status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "the operator has not looked at it yet"
  return hs
end
local found = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  found[condition.type] = condition
end
local function holds(name)
  return found[name] ~= nil and found[name].status == "True"
end
if holds("Stalled") then
  hs.status = "Degraded"
  hs.message = found["Stalled"].message
  return hs
end
local plan = obj.status.plan
if plan ~= nil and plan.state == "AwaitingApproval" then
  hs.status = "Suspended"
  hs.message = "waits for the approval of plan " .. plan.hash .. ": " .. plan.summary
  return hs
end
if holds("Reconciling") then
  hs.status = "Progressing"
  hs.message = found["Reconciling"].message
  return hs
end
if holds("Ready") then
  hs.status = "Healthy"
  hs.message = found["Ready"].message
  return hs
end
hs.status = "Progressing"
hs.message = found["Ready"] ~= nil and found["Ready"].message or "waits for the operator"
return hs
