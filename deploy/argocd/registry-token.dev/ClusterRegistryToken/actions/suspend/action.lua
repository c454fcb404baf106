-- No token is requested and no description is edited until the object is resumed.
obj.spec.suspend = true
return obj
