"""One section of the tutorial each: a function from settings to a plan. A step never calls another step."""
