# For people's habits: everything is in ./run.
.PHONY: help demo test check bench
help demo test check bench:
	@./run $@ $(ARGS)
