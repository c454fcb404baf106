-- Ends the suspension.
obj.spec.suspend = false
return obj
